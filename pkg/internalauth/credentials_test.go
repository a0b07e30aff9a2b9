package internalauth

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	older = "the older credential, of thirty-two bytes and more"
	newer = "the newer credential, of thirty-two bytes and more"
)

// believes reports whether to believes a request of from.
func believes(to, from *Credentials) bool {
	r := httptest.NewRequest("GET", "/x", nil)
	from.Signer().Sign(r, nil, Identity{})
	_, err := to.Verifier().Verify(r, nil)
	return err == nil
}

func replaced(t *testing.T, from, to string) *Credentials {
	t.Helper()
	c := NewCredentials(from)
	changed, err := c.Replace(to)
	require.NoError(t, err)
	require.Equal(t, from != to, changed)
	return c
}

// Whoever has learnt of a replacement and whoever has not believe each other, whether it is done in one step or with both
// credentials for a while.
func TestWorkersBelieveEachOtherWhileTheCredentialIsReplaced(t *testing.T) {
	t.Parallel()
	both := newer + "\n" + older + "\n"
	all := map[string]*Credentials{
		"not yet": NewCredentials(older), "in one step": replaced(t, older, newer), "both": replaced(t, older, both), "started with both": NewCredentials(both),
	}
	last := map[string]*Credentials{
		"both": replaced(t, older, both), "then one": replaced(t, both, newer), "started with one": NewCredentials(newer), "in one step": replaced(t, older, newer),
	}
	for _, group := range []map[string]*Credentials{all, last} {
		for from, f := range group {
			for to, v := range group {
				require.True(t, believes(v, f), "%s believes %s", to, from)
			}
		}
	}
	require.False(t, believes(NewCredentials(older), NewCredentials(newer)))
}

func TestACredentialThatWasTakenAwayIsGoodForTheWindowOnly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := NewCredentials(older)
	c.now = func() time.Time { return now }
	_, err := c.Replace(newer)
	require.NoError(t, err)
	now = now.Add(Window - time.Second)
	require.True(t, believes(c, NewCredentials(older)))
	require.Len(t, c.Keys(), 2)
	now = now.Add(time.Second)
	require.False(t, believes(c, NewCredentials(older)))
	require.True(t, believes(c, NewCredentials(newer)))
	changed, err := c.Replace(newer)
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, newer, c.Text())
}

func TestFewCredentialsAreRemembered(t *testing.T) {
	t.Parallel()
	c := NewCredentials(older)
	for i := range 100 {
		_, err := c.Replace(strings.Repeat(string(rune('a'+i%26)), 32+i))
		require.NoError(t, err)
	}
	require.Len(t, c.Keys(), 2*MaxCredentials)
	r := httptest.NewRequest("GET", "/x", nil)
	c.Signer().Sign(r, nil, Identity{})
	_, err := c.Verifier().Verify(r, nil)
	require.NoError(t, err, "a verifier takes as many HMACs as a signer gives")
	r.Header.Set(Header, r.Header.Get(Header)+",AAAA")
	_, err = c.Verifier().Verify(r, nil)
	require.ErrorContains(t, err, "too many")
}

func TestABadReplacementChangesNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("c", 32)
	for text, want := range map[string]string{
		"": "no credential", " \n\n": "no credential", newer + "\nshort": "credential 2 has 5 bytes",
		"a" + long + "\nb" + long + "\nc" + long + "\nd" + long + "\ne" + long: "at most 4",
	} {
		c := NewCredentials(older)
		changed, err := c.Replace(text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "short")
		require.False(t, changed)
		require.Equal(t, older, c.Text())
	}
}
