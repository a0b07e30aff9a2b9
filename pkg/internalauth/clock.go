package internalauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockHeader is in the refusal of a request whose time is too far off: the verifier's own clock, in milliseconds since
// 1970, with an HMAC that covers that request's, so that nobody else can say it, or say it again.
const clockHeader = "X-Myelin-Clock"

// A skew is the refusal of a request that is authentic but for its time.
type skew struct {
	age   time.Duration
	clock string // what clockHeader is to be
}

func (s *skew) Error() string {
	return ErrRefused.Error() + ": made " + s.age.String() + " ago, allowed are " + Window.String() + " either way"
}

func (s *skew) Unwrap() error { return ErrRefused }

// vouch makes the text of clockHeader for the request with this HMAC.
func vouch(key []byte, request string, millis int64) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("clock"))
	h.Write([]byte(request))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(millis)))
	return strconv.FormatInt(millis, 10) + "." + encoding.EncodeToString(h.Sum(nil))
}

// tellEvery bounds how often it is logged that clocks differ: all requests of a worker may be refused once for it.
const tellEvery = time.Minute

// mayTell says whether that is to be logged now.
func (v *Verifier) mayTell() bool {
	now, last := time.Now(), v.told.Load()
	return (last == nil || now.Sub(*last) >= tellEvery) && v.told.CompareAndSwap(last, &now)
}

// Transport sends signed requests by base, and one that is refused because of its time once more, by the clock of the
// worker that refused it. So no clock of a worker, or of the operator, has to be right: one that is off costs its
// requests a round trip. The body of a request has to be rereadable (GetBody), or none.
func (s *Signer) Transport(base http.RoundTripper) http.RoundTripper { return &transport{s, base} }

type transport struct {
	signer *Signer
	base   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil || resp.Header.Get(clockHeader) == "" {
		return resp, err
	}
	again, ok := t.signer.anew(r, resp.Header.Get(clockHeader))
	if !ok {
		return resp, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<10) // so that the connection is kept
	_ = resp.Body.Close()
	return t.base.RoundTrip(again)
}

// CloseIdleConnections is that of the transport below.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// anew signs a request again, by another's clock, and only by the credential that this is vouched for by: whoever got hold
// of one that is being replaced, and so may tell any time, gets nothing signed for that time by its successor. It returns
// false if the clock is not vouched for, or the body is gone.
func (s *Signer) anew(r *http.Request, clock string) (*http.Request, bool) {
	fields := strings.Split(r.Header.Get(Header), ".")
	text, _, _ := strings.Cut(clock, ".")
	millis, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(fields) != 7 {
		return nil, false
	}
	keys := s.credentials.Keys()
	by := slices.IndexFunc(keys, func(key []byte) bool { return hmac.Equal([]byte(clock), []byte(vouch(key, fields[6], millis))) })
	if by < 0 {
		return nil, false
	}
	again := r.Clone(r.Context())
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return nil, false
		}
		copied, err := r.GetBody()
		if err != nil {
			return nil, false
		}
		if body, err = io.ReadAll(copied); err != nil {
			return nil, false
		}
		if again.Body, err = r.GetBody(); err != nil {
			return nil, false
		}
	}
	set(again, body, append([]string{version, text}, fields[2:6]...), keys[by:by+1])
	return again, true
}
