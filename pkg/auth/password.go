package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

const (
	// MinPassword is the least length in characters of the password of an account that a user makes.
	MinPassword = 8
	// MaxPassword is the greatest length in bytes of a password.
	MaxPassword = 512

	// OWASP's second choice of parameters for argon2id: the least memory that is as strong as the first.
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonKey     = 32 // bytes

	// One hash takes 19 MiB and some 20 ms of a core. More at once would only take more memory.
	maxHashing = 2
	// Who comes when so many wait already is told to come again: the wait would outlast the client's patience.
	maxWaiting = 64
)

// A hasher hashes passwords, a bounded number at a time.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	// decoy is the hash of no password: checked in place of an absent account's, so that time does not tell whether
	// an account exists.
	decoy string
}

func newHasher() *hasher {
	decoy := phc(argonMemory, argonTime, argonThreads, make([]byte, argonSalt), make([]byte, argonKey))
	return &hasher{slots: make(chan struct{}, maxHashing), decoy: decoy}
}

// enter waits for a slot. Errors are 429 M_LIMIT_EXCEEDED when too many wait, and ctx's.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxWaiting {
		return nil, mxerr.LimitExceeded(2 * time.Second)
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash returns the password's argon2id hash as a PHC string.
func (h *hasher) hash(ctx context.Context, password Secret) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	return phc(argonMemory, argonTime, argonThreads, salt, key), nil
}

// verify reports whether password has the hash encoded, with the parameters that it was made with.
func (h *hasher) verify(ctx context.Context, encoded string, password Secret) (bool, error) {
	p, err := parsePHC(encoded)
	if err != nil {
		return false, err
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	got := argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.key)))
	return subtle.ConstantTimeCompare(got, p.key) == 1, nil
}

type argonParams struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func phc(memory, time uint32, threads uint8, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, time, threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

var errPHC = errors.New("stored password hash is not an argon2id PHC string within bounds")

func parsePHC(s string) (p argonParams, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, errPHC
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, errPHC
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.DecodeString(parts[5])
	p.salt, p.key = salt, key
	// The bounds keep an imported hash from taking all memory or time.
	if errSalt != nil || errKey != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 ||
		p.memory == 0 || p.memory > 256*1024 || p.time == 0 || p.time > 16 || p.threads == 0 {
		return p, errPHC
	}
	return p, nil
}

// checkPassword says whether a new account may have this password. least is in characters.
func checkPassword(password Secret, least int) error {
	switch {
	case password == "":
		return mxerr.MissingParam("A password is required")
	case len(password) > MaxPassword:
		return mxerr.InvalidParam("The password is longer than %d bytes", MaxPassword)
	case utf8.RuneCountInString(string(password)) < least:
		return mxerr.WeakPassword("The password must have at least %d characters", least)
	}
	return nil
}
