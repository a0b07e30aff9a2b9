package keyring

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exec changes the database behind the keyring's back.
func (w *world) exec(sql string) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), sql)
	require.NoError(w.t, err)
}

// readOnly refuses what is written about other servers' keys.
const readOnly = `
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'read-only'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON server_key FOR EACH ROW EXECUTE FUNCTION refuse()`

func TestAnAnswerThatCouldNotBeKeptIsNoVerdict(t *testing.T) {
	t.Parallel()
	for name, forgotten := range map[string]bool{"the server's": false, "a notary's": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, notary)
			p, n := w.peer(remote), w.peer(notary)
			says, known := p.says(), p.keys[0]
			n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, says)} }
			w.want(w.Verifier, n.keys[0], ForEvent, start, nil)
			if forgotten { // by the server: only the notary names it
				p.keys = []*Key{newKey(t, remote)}
				w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
			}
			w.exec(readOnly)
			_, err := w.Key(t.Context(), Lookup{Server: remote, KeyID: known.KeyID(), At: ms(start)})
			require.Error(t, err)
			require.False(t, errors.As(err, new(*KeyError)), err)
			w.exec("DROP TRIGGER refuse ON server_key")
			w.change(func() { n.notarize = nil })
			w.want(w.Verifier, known, ForEvent, start, ErrUnavailable)
			w.change(func() { n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, says)} } })
			w.clock.add(firstBackOff)
			w.want(w.Verifier, known, ForEvent, start, nil)
		})
	}
}

func TestWhatTheServerSaysOfAKeyIsEnoughWhileTimePasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, notary)
	p, n := w.peer(remote), w.peer(notary)
	now := w.now
	w.now = func() time.Time { w.clock.add(time.Millisecond); return now() }
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(2*day), ErrKeyNotValid)
	require.Equal(t, 1, p.asked)
	require.Empty(t, n.queried)
}
