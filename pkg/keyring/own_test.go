package keyring

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// fleet are the workers of one homeserver.
type fleet struct {
	*testing.T
	pool *pgxpool.Pool
}

// starts a worker with this key file, and requires with which key it signs.
func (f fleet) starts(signs *Key, file ...*Key) (worker int64, own *Own) {
	f.Helper()
	worker = join(f.T, f.pool)
	own, err := Announce(f.Context(), f.pool, worker, file)
	require.NoError(f, err)
	require.Equal(f, signs.KeyID(), own.Key().KeyID())
	return worker, own
}

func (f fleet) refuses(why error, file ...*Key) {
	f.Helper()
	_, err := Announce(f.Context(), f.pool, join(f.T, f.pool), file)
	require.ErrorIs(f, err, why)
}

func (f fleet) ends(worker int64) {
	_, err := f.pool.Exec(f.Context(), "UPDATE worker SET state = 3, expires_at = now() WHERE worker_id = $1", worker)
	require.NoError(f, err)
}

// waits moves all keys into the past, and the ends of workers.
func (f fleet) waits(by time.Duration) {
	for _, sql := range []string{
		"UPDATE signing_key SET use_from = use_from - $1 * interval '1 millisecond'",
		"UPDATE worker SET expires_at = expires_at - $1 * interval '1 millisecond' WHERE state = 3",
	} {
		_, err := f.pool.Exec(f.Context(), sql, by.Milliseconds())
		require.NoError(f, err)
	}
}

func newFleet(t *testing.T) (f fleet, first, second *Key) {
	return fleet{t, newPool(t)}, newKey(t, pgtest.ServerName), newKey(t, pgtest.ServerName)
}

func published(t *testing.T, o *Own) (verify, old []string) {
	t.Helper()
	body, err := o.ServerKeys(t.Context())
	require.NoError(t, err)
	var keys struct {
		Verify map[string]verifyKey    `json:"verify_keys"`
		Old    map[string]oldVerifyKey `json:"old_verify_keys"`
	}
	require.NoError(t, json.Unmarshal(body, &keys))
	for keyID := range keys.Verify {
		verify = append(verify, keyID)
		at := slices.IndexFunc(o.keys, func(k *Key) bool { return k.KeyID() == keyID })
		require.NoError(t, VerifyJSON(body, pgtest.ServerName, keyID, o.keys[at].Public()))
	}
	for keyID := range keys.Old {
		old = append(old, keyID)
	}
	_, err = readResponse(body, pgtest.ServerName, o.now())
	require.NoError(t, err)
	slices.Sort(verify)
	return verify, old
}

func ids(keys ...*Key) (names []string) {
	for _, k := range keys {
		names = append(names, k.KeyID())
	}
	slices.Sort(names)
	return names
}

func TestTheFirstKeyIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	f.starts(a, a)
	f.starts(a, a)
	f, _, _ = newFleet(t)
	f.starts(b, a, b)
}

func TestANewKeyIsUsedOnceAllPublishIt(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	one, _ := f.starts(a, a)
	two, _ := f.starts(a, a)

	// The rollout: the new key is published, not used.
	three, own := f.starts(a, a, b)
	verify, old := published(t, own)
	require.Equal(t, ids(a, b), verify)
	require.Empty(t, old)
	f.ends(one)
	f.starts(a, a, b)

	f.waits(Lead - time.Minute)
	f.starts(a, a, b)
	f.waits(time.Minute)
	f.starts(a, a, b) // for worker two doesn't publish it
	f.ends(two)
	f.starts(a, a, b) // for what worker two said may still be cached
	f.waits(Lead - time.Minute)
	f.starts(a, a, b)
	f.waits(time.Minute)
	f.starts(b, a, b)

	// Whoever starts without it now would not publish it.
	f.refuses(ErrKeyMissing, a)
	f.refuses(ErrKeyMissing, b)
	f.ends(three)
}

func TestANewKeyIsNotUsedBeforeCachedAnswersHaveExpired(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	one, _ := f.starts(a, a)
	f.ends(one)
	f.starts(a, a, b)
	f.starts(a, a, b)
	f.waits(Lead - time.Minute)
	f.starts(a, a, b) // though every live worker publishes it
	f.waits(time.Minute)
	f.starts(b, a, b)
}

func TestAKeyThatWaitsMayBeTakenBack(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	zero, _ := f.starts(a, a)
	one, _ := f.starts(a, a, b)
	f.ends(zero)
	f.ends(one)
	two, _ := f.starts(a, a)
	f.waits(10 * Lead)
	f.ends(two)

	// It waits again when it comes back.
	f.waits(Lead - time.Minute)
	f.starts(a, a, b)
}

func TestARetiredKeyIsPublishedAsOldAndSignsNothing(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	one, _ := f.starts(a, a)
	require.ErrorIs(t, Retire(t.Context(), f.pool, a.KeyID(), false), ErrKeyInUse)
	require.ErrorIs(t, Retire(t.Context(), f.pool, "ed25519:none", false), ErrNoSuchKey)
	two, _ := f.starts(a, a, b)
	f.ends(one)
	f.waits(Lead)
	_, own := f.starts(b, a, b)
	require.ErrorIs(t, Retire(t.Context(), f.pool, a.KeyID(), false), ErrKeyInUse, "worker two signs with it")
	f.ends(two)
	require.NoError(t, Retire(t.Context(), f.pool, a.KeyID(), false))
	require.NoError(t, Retire(t.Context(), f.pool, a.KeyID(), false), "again")
	require.ErrorIs(t, Retire(t.Context(), f.pool, b.KeyID(), false), ErrKeyInUse)

	verify, old := published(t, own)
	require.Equal(t, [][]string{ids(b), ids(a)}, [][]string{verify, old})
	_, own = f.starts(b, b)
	verify, old = published(t, own)
	require.Equal(t, [][]string{ids(b), ids(a)}, [][]string{verify, old})
	f.refuses(ErrKeyMissing, a)

	keys, err := List(t.Context(), f.pool)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.Equal(t, []any{a.KeyID(), 0, b.KeyID(), 2}, []any{keys[0].KeyID, keys[0].Signers, keys[1].KeyID, keys[1].Signers})
	require.NotNil(t, keys[0].RetiredAt)
}

func TestAStolenKeyIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	_, own := f.starts(a, a)
	require.NoError(t, Retire(t.Context(), f.pool, a.KeyID(), true))
	f.refuses(ErrNoKey, a)
	_, err := own.ServerKeys(t.Context())
	require.ErrorIs(t, err, ErrNoKey, "it does not sign by that key any more")
	f.starts(b, a, b)
}

func TestAKeyIDIsForOneKey(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	f.starts(a, a)
	b.version = a.version
	f.refuses(ErrKeyReused, b)
}

func TestManyWorkersStartAtOnce(t *testing.T) {
	t.Parallel()
	f, a, b := newFleet(t)
	signs := make(chan string, 8)
	for range cap(signs) {
		worker := join(t, f.pool)
		go func() {
			own, err := Announce(t.Context(), f.pool, worker, []*Key{a, b})
			if err != nil {
				signs <- err.Error()
				return
			}
			signs <- own.Key().KeyID()
		}()
	}
	for range cap(signs) {
		require.Equal(t, b.KeyID(), <-signs)
	}
}

func TestPublishedKeysOutliveAnOutageOfTheDatabase(t *testing.T) {
	t.Parallel()
	f, a, _ := newFleet(t)
	_, own := f.starts(a, a)
	c := &clock{}
	c.ms.Store(start.UnixMilli())
	own.now = c.now
	first, err := own.ServerKeys(t.Context())
	require.NoError(t, err)
	c.add(republish)
	second, err := own.ServerKeys(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	f.pool.Close()
	c.add(outage)
	third, err := own.ServerKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, second, third)
	c.add(republish)
	_, err = own.ServerKeys(t.Context())
	require.Error(t, err)
}
