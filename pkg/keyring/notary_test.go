package keyring

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

const notary id.ServerName = "notary.example"

func TestANotaryAnswersForAServerThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, notary)
	p, n := w.peer(remote), w.peer(notary)
	says := p.says()
	p.down = true
	n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, says)} }
	at := start.Add(time.Hour)
	w.want(w.Verifier, p.keys[0], ForEvent, at, nil)
	require.Len(t, n.queried, 1)
	var query struct {
		ServerKeys map[string]map[string]map[string]int64 `json:"server_keys"`
	}
	require.NoError(t, json.Unmarshal([]byte(n.queried[0]), &query))
	require.Equal(t, map[string]map[string]int64{p.keys[0].KeyID(): {"minimum_valid_until_ts": ms(at)}}, query.ServerKeys[string(remote)])

	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(day+time.Millisecond), ErrUnavailable)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(day+time.Millisecond), ErrKeyNotValid)
	require.Len(t, n.queried, 1, "it was asked a moment ago")
}

func TestANotaryKnowsKeysThatTheServerForgot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, notary)
	p, n := w.peer(remote), w.peer(notary)
	says, before := p.says(), p.keys[0]
	w.change(func() { p.keys, p.until = []*Key{newKey(t, remote)}, start.Add(2*day) })
	n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, says)} }
	w.want(w.Verifier, before, ForEvent, start, nil)
	w.want(w.Verifier, before, ForEvent, start.Add(day+time.Millisecond), ErrKeyNotValid)
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(5*day), ErrKeyNotValid)
	require.Len(t, n.queried, 1, "what the server itself says of a key is enough")
}

func TestAPoisonedNotary(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(t *testing.T, p, n *peer) []byte
		want   string
	}{
		"does not sign": {func(_ *testing.T, p, _ *peer) []byte { return p.says() }, "verify JSON of " + string(notary)},
		"signs with another key": {func(t *testing.T, p, _ *peer) []byte {
			signed, err := newKey(t, notary).SignJSON(p.says())
			require.NoError(t, err)
			return signed
		}, "verify JSON of " + string(notary)},
		"changes what the server signed": {func(t *testing.T, p, n *peer) []byte {
			return n.signs(t, append([]byte(`{"x":1,`), p.says()[1:]...))
		}, ErrSignature.Error()},
		"speaks of another server": {func(t *testing.T, _, n *peer) []byte { return n.signs(t, n.says()) }, "server_name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, notary)
			p, n := w.peer(remote), w.peer(notary)
			p.down = true
			answer := tt.answer(t, p, n)
			n.notarize = func([]byte) []RawJSON { return []RawJSON{answer} }
			_, err := w.Key(t.Context(), Lookup{Server: remote, KeyID: p.keys[0].KeyID(), At: ms(start)})
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestANotaryChangesNothingThatIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, notary)
	p, n := w.peer(remote), w.peer(notary)
	known, retired := p.keys[0], newKey(t, remote)
	p.old[retired.KeyID()] = oldVerifyKey{encode(retired), ms(start)}
	w.want(w.Verifier, known, ForEvent, start, nil)

	// It gives the known key another value, calls it expired, or calls the retired one current.
	forged, revived := newKey(t, remote), *retired
	forged.version = known.version
	w.change(func() { p.down = true })
	later := start.Add(5 * day)
	w.clock.add(2 * day)
	lies := [][]*Key{{forged}, {forged, &revived}, {newKey(t, remote)}}
	for i, keys := range lies {
		old := map[string]oldVerifyKey{}
		if i == 2 {
			old[known.KeyID()] = oldVerifyKey{encode(known), 1}
		}
		lie, err := serverKeys(keys, old, later)
		require.NoError(t, err)
		w.change(func() { n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, lie)} } })
		w.change(func() { n.until = w.clock.now().Add(day) })
		w.want(w.another(notary), known, ForEvent, later, ErrKeyNotValid)
		require.Len(t, n.queried, i+1)
		w.want(w.another(notary), known, ForEvent, start, nil)
		w.want(w.another(notary), retired, ForEvent, start, nil)
		w.want(w.another(notary), retired, ForRequest, start, ErrKeyNotValid)
	}

	// What the key itself signed prolongs it.
	truth, err := serverKeys([]*Key{known}, nil, later)
	require.NoError(t, err)
	w.change(func() { n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, truth)} } })
	w.want(w.another(notary), known, ForEvent, later, nil)
	// An older answer takes nothing back.
	w.clock.add(time.Hour)
	stale, err := serverKeys([]*Key{known}, nil, later.Add(-time.Hour))
	require.NoError(t, err)
	w.change(func() { n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, stale)} } })
	w.want(w.another(notary), known, ForEvent, later.Add(time.Millisecond), ErrKeyNotValid)
	w.want(w.another(notary), known, ForEvent, later, nil)
}

func TestANotaryThatIsDownIsNotAskedForEachKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, notary)
	p, n := w.peer(remote), w.peer(notary)
	p.down = true
	w.want(w.Verifier, p.keys[0], ForEvent, start, ErrUnavailable)
	require.Len(t, n.queried, 1)
	w.change(func() { n.down, n.asked = true, 0 })
	for range 5 {
		w.want(w.Verifier, newKey(t, remote), ForEvent, start, ErrUnavailable)
	}
	require.Equal(t, 1, n.asked)
}

func TestTheNextNotaryIsAsked(t *testing.T) {
	t.Parallel()
	const second id.ServerName = "second.example"
	w := newWorld(t, notary, second)
	p, n := w.peer(remote), w.peer(second)
	says := p.says()
	p.down = true
	n.notarize = func([]byte) []RawJSON { return []RawJSON{n.signs(t, says)} }
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
}

// notarized requires which answers Notarize gives, by their valid_until_ts.
func (w *world) notarized(server id.ServerName, wanted map[string]int64, until ...time.Time) {
	w.t.Helper()
	answers, err := w.Notarize(w.t.Context(), server, wanted)
	require.NoError(w.t, err)
	got, want := []int64{}, []int64{}
	for _, answer := range answers {
		require.NoError(w.t, VerifyJSON(answer, pgtest.ServerName, w.own.Key().KeyID(), w.own.Key().Public()))
		var keys struct {
			Until int64 `json:"valid_until_ts"`
		}
		require.NoError(w.t, json.Unmarshal(answer, &keys))
		got = append(got, keys.Until)
		_, err := readResponse(answer, server, w.clock.now())
		require.NoError(w.t, err)
	}
	for _, at := range until {
		want = append(want, ms(at))
	}
	require.ElementsMatch(w.t, want, got)
}

func TestNotarize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	all := map[string]int64{allKeys: 0}
	w.notarized(remote, all)
	require.Zero(t, p.asked, "strangers do not make this server call others")
	w.notarized(pgtest.ServerName, all, start.Add(Validity))

	first := p.keys[0]
	w.want(w.Verifier, first, ForEvent, start, nil)
	w.notarized(remote, all, start.Add(day))
	w.notarized(remote, map[string]int64{first.KeyID(): ms(start.Add(day))}, start.Add(day))
	require.Equal(t, 1, p.asked)

	// Half of its validity has passed: asked again, and what it said before is still there.
	w.clock.add(day/2 + time.Millisecond)
	next := newKey(t, remote)
	w.change(func() { p.keys, p.until = []*Key{next}, start.Add(3*day) })
	w.notarized(remote, all, start.Add(3*day))
	require.Equal(t, 2, p.asked)
	w.notarized(remote, map[string]int64{first.KeyID(): 0, next.KeyID(): 0}, start.Add(day), start.Add(3*day))

	// More is wanted than is known: asked again, but not all the time.
	w.clock.add(repeat)
	w.change(func() { p.until = start.Add(4 * day) })
	for range 2 {
		w.notarized(remote, map[string]int64{next.KeyID(): ms(start.Add(4 * day))}, start.Add(4*day))
		require.Equal(t, 3, p.asked)
	}

	// It is down: what it said last.
	w.clock.add(4 * day)
	w.change(func() { p.down = true })
	w.notarized(remote, all, start.Add(4*day))
	require.Equal(t, 4, p.asked)

	// Another worker, which has it from Postgres.
	other := w.another()
	answers, err := other.Notarize(t.Context(), remote, all)
	require.NoError(t, err)
	require.Len(t, answers, 1)
}

func TestKeysOfAServerAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	for range 3 {
		w.change(func() {
			p.keys = nil
			for range maxKeys - 1 {
				p.keys = append(p.keys, newKey(t, remote))
			}
			p.until = w.clock.now().Add(day)
		})
		w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
		w.clock.add(day)
	}
	var keys, answers, unnamed int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM server_key), (SELECT count(*) FROM server_key_response),
		(SELECT count(*) FROM server_key_response r WHERE NOT EXISTS (SELECT FROM server_key k WHERE k.response = r.response))`).Scan(&keys, &answers, &unnamed))
	require.Equal(t, []int{maxKeys, 2, 0}, []int{keys, answers, unnamed})
}
