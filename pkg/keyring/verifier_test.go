package keyring

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

const remote id.ServerName = "remote.example"

func TestAKeyIsValidUntilItsServerSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(day), nil)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(-1000*day), nil)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(day+time.Millisecond), ErrKeyNotValid)
	w.want(w.Verifier, p.keys[0], ForOldEvent, start.Add(1000*day), nil)
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, nil)
	require.Equal(t, 1, p.asked)

	// Later the server prolongs it.
	w.clock.add(2 * day)
	w.change(func() { p.until = start.Add(3 * day) })
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(day+time.Millisecond), nil)
	require.Equal(t, 2, p.asked)
}

func TestNoKeyIsValidForMoreThanSevenDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	p.until = start.Add(365 * day)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(7*day+time.Millisecond), ErrKeyNotValid)
	require.Zero(t, p.asked, "nothing that it says would help")
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(7*day), nil)

	// The seven days count from when it was asked, not from when somebody looks.
	w.clock.add(2 * day)
	w.change(func() { p.down = true })
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(7*day+time.Millisecond), ErrKeyNotValid)
}

func TestAnOldKeyIsGoodForOldEventsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	old, expired := newKey(t, remote), start.Add(-10*day)
	p.old[old.KeyID()] = oldVerifyKey{encode(old), ms(expired)}
	w.want(w.Verifier, old, ForEvent, expired, nil)
	w.want(w.Verifier, old, ForEvent, expired.Add(time.Millisecond), ErrKeyNotValid)
	w.want(w.Verifier, old, ForRequest, time.Time{}, ErrKeyNotValid)
	w.want(w.Verifier, old, ForOldEvent, start, nil)
	require.Equal(t, 1, p.asked)
}

func TestARequestNeedsAKeyThatIsValidNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, nil)
	w.clock.add(day / 2)
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, nil)
	require.Equal(t, 1, p.asked, "not before half of its validity")
	w.clock.add(time.Millisecond)
	w.change(func() { p.down = true })
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, nil)
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, nil)
	require.Equal(t, 2, p.asked, "it is still valid, and its server failed a moment ago")
	w.clock.add(day / 2)
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, ErrUnavailable)
	w.want(w.Verifier, p.keys[0], ForRequest, time.Time{}, ErrKeyNotValid)
}

func TestAServerThatFailsIsLeftAloneForLongerAndLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	p.down = true
	asked := 0
	for _, pause := range []time.Duration{firstBackOff, 2 * firstBackOff, 4 * firstBackOff, 8 * firstBackOff, 16 * firstBackOff, 32 * firstBackOff, maxBackOff, maxBackOff} {
		asked++
		w.want(w.Verifier, p.keys[0], ForOldEvent, start, ErrUnavailable)
		require.Equal(t, asked, p.asked)
		w.clock.add(pause - time.Millisecond)
		w.want(w.Verifier, p.keys[0], ForOldEvent, start, ErrUnavailable)
		require.Equal(t, asked, p.asked, pause)
		w.clock.add(time.Millisecond)
	}
	w.change(func() { p.down, p.until = false, w.clock.now().Add(day) })
	w.want(w.Verifier, p.keys[0], ForOldEvent, start, nil)
}

func TestANewKeyIsFoundButNotLookedForAllTheTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
	next := newKey(t, remote)
	w.want(w.Verifier, next, ForEvent, start, ErrUnknownKey)
	w.clock.add(repeat)
	w.want(w.Verifier, next, ForEvent, start, ErrUnknownKey)
	require.Equal(t, 2, p.asked)
	w.change(func() { p.keys = append(p.keys, next) })
	w.want(w.Verifier, next, ForEvent, start, ErrUnknownKey)
	require.Equal(t, 2, p.asked)
	w.clock.add(repeat)
	w.want(w.Verifier, next, ForEvent, start, nil)
}

func TestAKeyThatChangesIsItsServersToChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	before := p.keys[0]
	w.want(w.Verifier, before, ForEvent, start, nil)
	after := newKey(t, remote)
	after.version = before.version
	w.change(func() { p.keys, p.until = []*Key{after}, start.Add(2*day) })
	w.clock.add(day)
	w.want(w.Verifier, before, ForEvent, start, nil)
	w.want(w.Verifier, after, ForRequest, start, nil)
	w.want(w.Verifier, after, ForEvent, start, nil)
}

func TestAKeyThatItsServerForgotIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	before := p.keys[0]
	w.want(w.Verifier, before, ForEvent, start, nil)
	next := newKey(t, remote)
	w.change(func() { p.keys, p.until = []*Key{next}, start.Add(3*day) })
	w.clock.add(2 * day)
	w.want(w.Verifier, next, ForEvent, start.Add(2*day), nil)
	w.want(w.Verifier, before, ForEvent, start.Add(day), nil)
	w.want(w.Verifier, before, ForEvent, start.Add(2*day), ErrKeyNotValid)
}

func TestKeysAreSharedThroughPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
	w.change(func() { p.down = true })
	w.want(w.another(), p.keys[0], ForEvent, start, nil)
	require.Equal(t, 1, p.asked)
}

func TestAThunderingHerdMakesOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	arrived := make(chan struct{})
	p.answer = func(honest []byte) (int, []byte) { <-arrived; return 200, honest }
	var herd sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		herd.Go(func() {
			_, errs[i] = w.Key(t.Context(), Lookup{Server: remote, KeyID: p.keys[0].KeyID(), At: ms(start)})
		})
	}
	close(arrived)
	herd.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, 1, p.asked)
}

func TestWhoeverGivesUpDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	asked, answer := make(chan struct{}), make(chan struct{})
	p.answer = func(honest []byte) (int, []byte) { close(asked); <-answer; return 200, honest }
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := w.Key(ctx, Lookup{Server: remote, KeyID: p.keys[0].KeyID(), At: ms(start)})
		failed <- err
	}()
	<-asked
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	close(answer)
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
	require.Equal(t, 1, p.asked)
}

func TestOwnKeysNeedNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(w.Verifier, w.own.Key(), ForEvent, start, nil)
	w.want(w.Verifier, w.own.Key(), ForRequest, start, nil)
	w.want(w.Verifier, newKey(t, pgtest.ServerName), ForEvent, start, ErrUnknownKey)
	var retired time.Time
	require.NoError(t, Retire(t.Context(), w.pool, w.own.Key().KeyID(), true))
	require.NoError(t, w.pool.QueryRow(t.Context(), "SELECT retired_at FROM signing_key").Scan(&retired))
	w.clock.ms.Store(ms(retired))
	w.want(w.another(), w.own.Key(), ForEvent, retired, nil)
	w.want(w.another(), w.own.Key(), ForEvent, retired.Add(time.Second), ErrKeyNotValid)
}

func TestOtherAlgorithmsAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	for _, keyID := range []string{"", "rsa:1", "ed25519:", "ed25519:a-b", "ed25519:" + strings.Repeat("a", 65)} {
		_, err := w.Key(t.Context(), Lookup{Server: remote, KeyID: keyID, At: ms(start)})
		require.ErrorIs(t, err, ErrUnknownKey, keyID)
	}
	require.Zero(t, p.asked)
}

func TestADatabaseThatIsAwayIsNoVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.pool.Close()
	_, err := w.Key(t.Context(), Lookup{Server: remote, KeyID: p.keys[0].KeyID(), At: ms(start)})
	require.Error(t, err)
	require.False(t, errors.As(err, new(*KeyError)))
}
