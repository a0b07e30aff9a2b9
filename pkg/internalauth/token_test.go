package internalauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const secret = "a credential of thirty-two bytes"

var alice = Identity{UserID: "@alice:a.example", DeviceID: "DE.VI CE", TokenHash: []byte{1, 2, 3}, RequestID: "r1"}

func signed(who Identity, body string) *http.Request {
	r := httptest.NewRequest("PUT", "/_matrix/client/v3/rooms/%21a%2Fb:c/send/m.room.message/1?user_id=x", strings.NewReader(body))
	NewSigner(secret).Sign(r, []byte(body), who)
	return r
}

func TestVerifyReturnsTheIdentity(t *testing.T) {
	t.Parallel()
	for _, who := range []Identity{alice, {}, {RequestID: "only"}} {
		got, err := NewVerifier("the one before, of thirty-two bytes", secret).Verify(signed(who, "{}"), []byte("{}"))
		require.NoError(t, err)
		require.Equal(t, who, got)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	replace := func(i int, text string) func(r *http.Request) string {
		return func(r *http.Request) string {
			f := strings.Split(r.Header.Get(Header), ".")
			f[i] = text
			r.Header.Set(Header, strings.Join(f, "."))
			return "{}"
		}
	}
	for name, tamper := range map[string]func(r *http.Request) (body string){
		"another body":    func(*http.Request) string { return "{ }" },
		"another method":  func(r *http.Request) string { r.Method = "POST"; return "{}" },
		"another path":    func(r *http.Request) string { r.URL.Path, r.URL.RawPath = "/x", ""; return "{}" },
		"another query":   func(r *http.Request) string { r.URL.RawQuery = "user_id=y"; return "{}" },
		"another user":    replace(2, encoding.EncodeToString([]byte("@bob:a.example"))),
		"another device":  replace(3, "AAAA"),
		"no token":        replace(4, ""),
		"another request": replace(5, "AAAA"),
		"another time":    replace(1, "0"),
		"another version": replace(0, "v2"),
		"no mac":          replace(6, ""),
		"no header":       func(r *http.Request) string { r.Header.Del(Header); return "{}" },
		"two headers":     func(r *http.Request) string { r.Header.Add(Header, r.Header.Get(Header)); return "{}" },
		"garbage":         func(r *http.Request) string { r.Header.Set(Header, "garbage"); return "{}" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed(alice, "{}")
			_, err := NewVerifier(secret).Verify(r, []byte(tamper(r)))
			require.ErrorIs(t, err, ErrRefused)
		})
	}
	t.Run("another credential", func(t *testing.T) {
		t.Parallel()
		_, err := NewVerifier("another credential of many bytes").Verify(signed(alice, "{}"), []byte("{}"))
		require.ErrorIs(t, err, ErrRefused)
	})
}

func TestVerifyBoundsTheTime(t *testing.T) {
	t.Parallel()
	for offset, good := range map[time.Duration]bool{
		0: true, Window - time.Second: true, -Window + time.Second: true, Window + time.Second: false, -Window - time.Second: false,
	} {
		v := NewVerifier(secret)
		v.now = func() time.Time { return time.Now().Add(offset) }
		_, err := v.Verify(signed(alice, "{}"), []byte("{}"))
		require.Equal(t, good, err == nil, "%v: %v", offset, err)
	}
}

func TestHandlerPutsTheIdentityIntoTheContext(t *testing.T) {
	t.Parallel()
	var got Identity
	var read string
	h := NewVerifier(secret).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = IdentityFrom(r.Context())
		b := make([]byte, 10)
		n, _ := r.Body.Read(b)
		read = string(b[:n])
	}), 10)

	w := httptest.NewRecorder()
	h.ServeHTTP(w, signed(alice, "{}"))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, alice, got)
	require.Equal(t, "{}", read)

	w = httptest.NewRecorder()
	h.ServeHTTP(w, signed(alice, "more than ten bytes"))
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)

	forged := signed(alice, "{}")
	forged.Header.Set(Header, "v1.x")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, forged)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Equal(t, "1", w.Header().Get(RefusedHeader))
}

func TestStripRemovesWhatOnlyWorkersMaySay(t *testing.T) {
	t.Parallel()
	h := http.Header{"X-Myelin-Auth": {"a"}, "x-myelin-worker": {"7"}, "X-Forwarded-For": {"b"}}
	Strip(h)
	require.Equal(t, http.Header{"X-Forwarded-For": {"b"}}, h)
}
