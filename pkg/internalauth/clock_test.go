package internalauth

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wrongBy is a clock.
func wrongBy(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

// serveAt is a worker whose clock is wrong; it answers who asked, and what.
func serveAt(t *testing.T, offset time.Duration) *httptest.Server {
	v := NewVerifier("the one before, of thirty-two bytes", secret)
	v.now = wrongBy(offset)
	s := httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := IdentityFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, string(who.UserID)+" "+string(body))
	}), 1<<10))
	t.Cleanup(s.Close)
	return s
}

// ask sends a signed request and returns the answer.
func ask(t *testing.T, rt http.RoundTripper, signer *Signer, url, body string) (int, string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	signer.Sign(r, []byte(body), alice)
	before := r.Header.Get(Header)
	resp, err := rt.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, before, r.Header.Get(Header), "the request itself is not changed")
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

func TestNoClockHasToBeRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		ours, theirs time.Duration
	}{
		{"both are right", 0, 0},
		{"ours is ahead", 3 * time.Hour, 0},
		{"ours is behind", -3 * time.Hour, 0},
		{"theirs is ahead", 0, 3 * time.Hour},
		{"both are wrong", 3 * time.Hour, -24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			signer := NewSigner(secret)
			signer.now = wrongBy(c.ours)
			rt := signer.Transport(http.DefaultTransport)
			for _, body := range []string{"{}", ""} {
				status, text := ask(t, rt, signer, serveAt(t, c.theirs).URL, body)
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, "@alice:a.example "+body, text)
			}
		})
	}
}

// answers gives each request the next answer.
type answers struct {
	given []func(r *http.Request) string // the text of clockHeader
	asked int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set(clockHeader, a.given[min(a.asked, len(a.given)-1)](r))
	a.asked++
	w.WriteHeader(http.StatusUnauthorized)
	return w.Result(), nil
}

// By a clock that anybody may tell, requests could be had that are good at any time.
func TestAClockThatIsNotVouchedForIsNotBelieved(t *testing.T) {
	t.Parallel()
	signer := NewSigner(secret)
	key := signer.credentials.Keys()[0]
	mac := func(r *http.Request) string { return strings.Split(r.Header.Get(Header), ".")[6] }
	for name, clock := range map[string]func(r *http.Request) string{
		"no HMAC":            func(*http.Request) string { return "1000" },
		"another credential": func(r *http.Request) string { return vouch(derive("another credential of many bytes"), mac(r), 1000) },
		"another request":    func(*http.Request) string { return vouch(key, "AAAA", 1000) },
		"another time":       func(r *http.Request) string { return "2" + vouch(key, mac(r), 1000) },
		"no time":            func(*http.Request) string { return "now" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &answers{given: []func(*http.Request) string{clock}}
			status, _ := ask(t, signer.Transport(a), signer, "http://a.invalid", "{}")
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, 1, a.asked)
		})
	}
}

// A credential is replaced because somebody may have got hold of it. Who has may tell a sender any time, and must not get a
// request for it that those believe who know the new credential only.
func TestATimeIsBelievedForItsCredentialOnly(t *testing.T) {
	t.Parallel()
	signer := replaced(t, older, newer).Signer()
	var sent *http.Request
	thief := func(r *http.Request) string {
		sent = r
		return vouch(derive(older), strings.Split(r.Header.Get(Header), ".")[6], time.Now().Add(24*time.Hour).UnixMilli())
	}
	ask(t, signer.Transport(&answers{given: []func(*http.Request) string{thief}}), signer, "http://a.invalid/x", "{}")
	for credential, believed := range map[string]bool{older: true, newer: false} {
		v := NewVerifier(credential)
		v.now = wrongBy(24 * time.Hour) // tomorrow
		_, err := v.Verify(sent, []byte("{}"))
		require.Equal(t, believed, err == nil, credential)
	}
}

// While a credential is replaced no clock has to be right either.
func TestWhoRefusesATimeVouchesByACredentialThatBothKnow(t *testing.T) {
	t.Parallel()
	known := map[string]*Credentials{
		"not yet": NewCredentials(older), "in one step": replaced(t, older, newer), "both": NewCredentials(newer + "\n" + older),
	}
	for from, f := range known {
		for to, v := range known {
			t.Run(from+" asks "+to, func(t *testing.T) {
				t.Parallel()
				signer, verifier := f.Signer(), v.Verifier()
				verifier.now = wrongBy(-3 * time.Hour)
				s := httptest.NewServer(verifier.Handler(http.NotFoundHandler(), 1<<10))
				t.Cleanup(s.Close)
				status, _ := ask(t, signer.Transport(http.DefaultTransport), signer, s.URL, "{}")
				require.Equal(t, http.StatusNotFound, status, "it got past the verifier")
			})
		}
	}
}

func TestARequestIsSentAgainOnce(t *testing.T) {
	t.Parallel()
	signer := NewSigner(secret)
	a := &answers{given: []func(*http.Request) string{func(r *http.Request) string {
		return vouch(signer.credentials.Keys()[0], strings.Split(r.Header.Get(Header), ".")[6], 1000)
	}}}
	status, _ := ask(t, signer.Transport(a), signer, "http://a.invalid", "{}")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, 2, a.asked)
}

func TestOnlyAnAuthenticRequestIsToldTheTime(t *testing.T) {
	t.Parallel()
	s := serveAt(t, time.Hour)
	for credential, told := range map[string]bool{secret: true, "another credential of many bytes": false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		require.NoError(t, err)
		NewSigner(credential).Sign(r, nil, alice)
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		require.Equal(t, told, resp.Header.Get(clockHeader) != "")
	}
}
