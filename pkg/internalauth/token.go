package internalauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
)

// Header is the header that carries identity and HMAC.
const Header = "X-Myelin-Auth"

// Window is how far the time in a header may be from the verifier's clock.
const Window = 5 * time.Minute

const version = "v1"

var encoding = base64.RawURLEncoding.Strict()

// ErrRefused is what all refusals wrap.
var ErrRefused = errors.New("internal request refused")

// A Signer signs requests to other workers.
type Signer struct {
	credentials *Credentials
	now         func() time.Time
}

// NewSigner makes a Signer for the homeserver's internal credential, or several, a line each.
func NewSigner(credential string) *Signer { return NewCredentials(credential).Signer() }

// Sign sets the header on r, whose body is (or will be) body. It replaces a header that is there.
func (s *Signer) Sign(r *http.Request, body []byte, who Identity) {
	fields := []string{
		version,
		strconv.FormatInt(s.now().UnixMilli(), 10),
		encoding.EncodeToString([]byte(who.UserID)),
		encoding.EncodeToString([]byte(who.DeviceID)),
		encoding.EncodeToString(who.TokenHash),
		encoding.EncodeToString([]byte(who.RequestID)),
	}
	set(r, body, fields, s.credentials.Keys())
}

// set sets the header to fields and the HMACs by keys over them and the request.
func set(r *http.Request, body []byte, fields []string, keys [][]byte) {
	digest := sha256.Sum256(body)
	var sums []string
	for _, key := range keys {
		sums = append(sums, encoding.EncodeToString(sum(key, r, digest[:], fields)))
	}
	r.Header.Set(Header, strings.Join(append(fields, strings.Join(sums, ",")), "."))
}

// A Verifier checks the headers of requests from other workers.
type Verifier struct {
	credentials *Credentials
	now         func() time.Time
	told        atomic.Pointer[time.Time] // when it was last logged that clocks differ
}

// NewVerifier makes a Verifier that accepts any of the credentials.
func NewVerifier(credentials ...string) *Verifier {
	return NewCredentials(strings.Join(credentials, "\n")).Verifier()
}

// Verify checks the header of r, whose body is body, and returns the identity in it. Errors wrap [ErrRefused].
func (v *Verifier) Verify(r *http.Request, body []byte) (Identity, error) {
	headers := r.Header.Values(Header)
	if len(headers) != 1 {
		return Identity{}, fmt.Errorf("%w: %d headers %s", ErrRefused, len(headers), Header)
	}
	fields := strings.Split(headers[0], ".")
	if len(fields) != 7 || fields[0] != version {
		return Identity{}, fmt.Errorf("%w: the header is not of version %s", ErrRefused, version)
	}
	sums := strings.Split(fields[6], ",")
	if len(sums) > 2*MaxCredentials {
		return Identity{}, fmt.Errorf("%w: too many HMACs", ErrRefused)
	}
	var match []byte // the newest key by which it is authentic
	digest := sha256.Sum256(body)
	for _, key := range v.credentials.Keys() {
		want := sum(key, r, digest[:], fields[:6])
		for _, text := range sums {
			if got, err := encoding.DecodeString(text); err == nil && match == nil && hmac.Equal(got, want) {
				match = key
			}
		}
	}
	if match == nil {
		return Identity{}, fmt.Errorf("%w: no HMAC matches; do the workers have the same credential?", ErrRefused)
	}
	// Only what the HMAC vouches for is looked at from here on.
	millis, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: malformed time", ErrRefused)
	}
	now := v.now()
	if age := now.Sub(time.UnixMilli(millis)); age.Abs() > Window {
		return Identity{}, &skew{age, vouch(match, fields[6], now.UnixMilli())}
	}
	var decoded [4][]byte
	for i := range decoded {
		if decoded[i], err = encoding.DecodeString(fields[2+i]); err != nil {
			return Identity{}, fmt.Errorf("%w: malformed identity", ErrRefused)
		}
	}
	who := Identity{UserID: id.UserID(decoded[0]), DeviceID: id.DeviceID(decoded[1]), RequestID: string(decoded[3])}
	if len(decoded[2]) > 0 {
		who.TokenHash = decoded[2]
	}
	return who, nil
}

// sum computes the HMAC of a request whose body has the digest. Each part is preceded by its length, so that no two
// requests give the same text.
func sum(key []byte, r *http.Request, digest []byte, fields []string) []byte {
	h := hmac.New(sha256.New, key)
	var size [8]byte
	part := func(s string) {
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		h.Write(size[:])
		h.Write([]byte(s))
	}
	for _, f := range fields {
		part(f)
	}
	part(r.Method)
	part(r.URL.RequestURI())
	h.Write(digest)
	return h.Sum(nil)
}
