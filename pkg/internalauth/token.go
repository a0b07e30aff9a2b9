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
	key []byte
	now func() time.Time
}

// NewSigner makes a Signer for the homeserver's internal credential.
func NewSigner(credential string) *Signer { return &Signer{derive(credential), time.Now} }

// derive makes a key of one length, for this use only.
func derive(credential string) []byte {
	h := hmac.New(sha256.New, []byte(credential))
	h.Write([]byte("myelin internal request " + version))
	return h.Sum(nil)
}

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
	s.set(r, body, fields)
}

// set sets the header to fields and the HMAC over them and the request.
func (s *Signer) set(r *http.Request, body []byte, fields []string) {
	fields = append(fields, encoding.EncodeToString(sum(s.key, r, body, fields)))
	r.Header.Set(Header, strings.Join(fields, "."))
}

// A Verifier checks the headers of requests from other workers.
type Verifier struct {
	keys [][]byte
	now  func() time.Time
	told atomic.Pointer[time.Time] // when it was last logged that clocks differ
}

// NewVerifier makes a Verifier that accepts any of the credentials: while one is replaced, both are good.
func NewVerifier(credentials ...string) *Verifier {
	v := &Verifier{now: time.Now}
	for _, c := range credentials {
		v.keys = append(v.keys, derive(c))
	}
	return v
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
	got, err := encoding.DecodeString(fields[6])
	if err != nil {
		return Identity{}, fmt.Errorf("%w: malformed header", ErrRefused)
	}
	var match []byte
	for _, key := range v.keys {
		if hmac.Equal(got, sum(key, r, body, fields[:6])) {
			match = key
		}
	}
	if match == nil {
		return Identity{}, fmt.Errorf("%w: the HMAC does not match; do the workers have the same credential?", ErrRefused)
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

// sum computes the HMAC. Each part is preceded by its length, so that no two requests give the same text.
func sum(key []byte, r *http.Request, body []byte, fields []string) []byte {
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
	digest := sha256.Sum256(body)
	h.Write(digest[:])
	return h.Sum(nil)
}
