package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// tickets are what a client brings back to show that it has been here: the session of a registration, the nonce of a
// shared-secret one. They are signed and say when they end, so no worker has to remember them. That is by the database's
// clock: who issues a ticket is seldom who gets it back, and their own clocks may differ.
// One is signed by the oldest key, which all workers know, and good by any.
type tickets struct{ keys func() [][]byte }

// clock reads the database's clock.
func (a *Auth) clock(ctx context.Context) (now time.Time, err error) {
	if err := a.db.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

const (
	ticketExpiry = 8  // bytes: unix seconds
	ticketRandom = 12 // bytes
	ticketMAC    = sha256.Size
)

// issue makes a ticket for one purpose that is good for ttl.
func (t tickets) issue(purpose string, now time.Time, ttl time.Duration) string {
	b := make([]byte, ticketExpiry+ticketRandom, ticketExpiry+ticketRandom+ticketMAC)
	binary.BigEndian.PutUint64(b, uint64(now.Add(ttl).Unix()))
	_, _ = rand.Read(b[ticketExpiry:]) // never fails
	keys := t.keys()
	return base64.RawURLEncoding.EncodeToString(append(b, t.mac(keys[len(keys)-1], purpose, b)...))
}

// valid reports whether s was issued for this purpose and has not ended.
func (t tickets) valid(purpose, s string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != ticketExpiry+ticketRandom+ticketMAC {
		return false
	}
	signed := b[:ticketExpiry+ticketRandom]
	return slices.ContainsFunc(t.keys(), func(key []byte) bool { return hmac.Equal(b[len(signed):], t.mac(key, purpose, signed)) }) &&
		now.Unix() < int64(binary.BigEndian.Uint64(signed))
}

func (tickets) mac(key []byte, purpose string, signed []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("myelin ticket: " + purpose + "\x00"))
	m.Write(signed)
	return m.Sum(nil)
}
