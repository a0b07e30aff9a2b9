package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlannedMove(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	g := c.join("g", timing{}, "gateway")
	c.eventually("even", func() bool { return c.settled(a, b) })
	shard := -1
	for s := range a.Held() {
		shard = s
	}
	_, epoch, _ := c.owner(shard)
	from := c.seen()
	moved, err := g.Move(t.Context(), shard, b.ID())
	require.NoError(t, err)
	require.Equal(t, Moved{From: a.ID(), To: b.ID(), Epoch: epoch + 1}, moved)

	calls := c.history(from, shard)
	require.GreaterOrEqual(t, len(calls), 3)
	var order []string
	for _, x := range calls[:3] {
		order = append(order, x.what)
	}
	require.Equal(t, []string{"Quiesce", "Lost", "Granted"}, order)
	require.Equal(t, []int64{a.ID(), a.ID(), b.ID()}, []int64{calls[0].worker, calls[1].worker, calls[2].worker})
	require.Equal(t, epoch+1, calls[2].epoch)
	t.Logf("the pause was %v", calls[2].at.Sub(calls[0].at))
}

func TestMoveToAnyOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	owner := a.Table().Lease(5).Owner
	moved, err := a.Move(t.Context(), 5, 0)
	require.NoError(t, err)
	require.Equal(t, owner, moved.From)
	require.Equal(t, a.ID()+b.ID()-owner, moved.To)
}

func TestMovesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	g := c.join("g", timing{}, "gateway")
	c.eventually("all", func() bool { return c.settled(a) })
	_, err := g.Move(t.Context(), 3, g.ID())
	require.ErrorIs(t, err, ErrUnfit, "a gateway")
	_, err = g.Move(t.Context(), 3, 999)
	require.ErrorIs(t, err, ErrUnfit, "nobody")
	_, err = g.Move(t.Context(), 3, 0)
	require.ErrorIs(t, err, ErrUnfit, "there is no other")
	_, err = g.Move(t.Context(), 64, a.ID())
	require.ErrorIs(t, err, ErrNoSuchShard)
	moved, err := g.Move(t.Context(), 3, a.ID())
	require.NoError(t, err)
	require.Equal(t, moved.From, moved.To)
}

func TestFailedQuiescenceGoesOnServing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	failed := make(chan struct{})
	tries := 0
	a.onQuiesce(func(_ context.Context, shard int) error {
		if shard != 9 {
			return nil
		}
		if tries++; tries == 1 {
			close(failed)
			return errors.New("the block in flight is stuck")
		}
		return nil
	})
	from := c.seen()
	b := c.join("b", timing{})
	_, err := a.Move(t.Context(), 9, b.ID())
	require.NoError(t, err, "the second try succeeds")
	<-failed
	calls := c.history(from, 9)
	require.Equal(t, "Quiesce", calls[0].what)
	require.Equal(t, "Granted", calls[1].what, "served again by the old owner")
	require.Equal(t, a.ID(), calls[1].worker)
	require.Equal(t, "Quiesce", calls[2].what)
}

func TestDestinationGoneWhileQuiescing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	var quiesced sync.Map // shards
	a.onQuiesce(func(ctx context.Context, shard int) error {
		quiesced.Store(shard, true)
		_, err := c.db.Exec(ctx, `UPDATE worker SET state = 3 WHERE pod = 'ghost'`)
		return err
	})
	from := c.seen()
	// Live by its row only. The balancer begins to give to it, and finds that it is gone.
	c.exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('ghost', 'ghost:1', 'p', '{persister}', 1, 1, clock_timestamp() + interval '1 hour')`)
	c.eventually("a move begins", func() bool { return c.seen() > from })
	c.eventually("a serves all, and no target is left", func() bool { return c.settled(a) })
	c.eventually("what was quiesced is served", func() bool {
		all := true
		quiesced.Range(func(shard, _ any) bool {
			calls := c.history(from, shard.(int))
			all = all && calls[len(calls)-1].what == "Granted"
			return true
		})
		return all
	})
	require.Zero(t, c.count(`SELECT count(*) FROM audit WHERE old_owner IS NOT NULL`), "no row changed hands")
}

func TestAMoveThatTakesTooLongSaysSo(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	ctx, cancel := context.WithCancel(t.Context())
	a.onQuiesce(func(ctx context.Context, _ int) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	for shard := range a.Held() {
		from := c.seen()
		a.hangs.Store(true)
		_, err := b.Move(ctx, shard, b.ID())
		require.ErrorIs(t, err, ErrNotYet)
		c.eventually("its owner waits no longer, and serves it", func() bool {
			return slices.ContainsFunc(c.history(from, shard), func(x call) bool { return x.worker == a.ID() && x.what == "Granted" })
		})
		return
	}
}

// The balancer gives back at once what has been moved.
func TestAMoveIsNotInsistedOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	for shard, epoch := range a.Held() {
		c.exec(fmt.Sprintf(`
			CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN NEW.owner := %[1]d; NEW.epoch := NEW.epoch + 1; NEW.claimed := false; RETURN NEW; END $$;
			CREATE TRIGGER back BEFORE UPDATE ON shard_lease FOR EACH ROW
				WHEN (NEW.claimed AND NEW.owner = %[2]d AND NEW.shard_id = %[3]d) EXECUTE FUNCTION back()`, a.ID(), b.ID(), shard))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		moved, err := a.Move(ctx, shard, b.ID())
		require.NoError(t, err)
		require.Equal(t, Moved{From: a.ID(), To: b.ID(), Epoch: epoch + 1}, moved)
		return
	}
}

func TestUnclaimedShardsAreTakenBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	// It heartbeats, as far as anybody can tell, but never claims.
	c.exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('sleeper', 'sleeper:1', 'p', '{persister}', 1, 1, clock_timestamp() + interval '1 hour')`)
	c.eventually("the balancer gives to it", func() bool { return a.serves() < 64 })
	gave := c.clock.Now()
	c.eventually("a has all again", func() bool { return c.settled(a) })
	require.Greater(t, c.clock.Now().Sub(gave), 1500*time.Millisecond, "not before it had its time")
	require.NotZero(t, c.count(`SELECT count(*) FROM audit WHERE new_owner <> $1`, a.ID()))
}

func TestUnknownOutcomeOfATransfer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{statement: 250 * time.Millisecond})
	c.eventually("all", func() bool { return c.settled(a) })
	_, epoch, _ := c.owner(9)
	// A block that takes long keeps the transfer from being written until its sender has given it up.
	block := make(chan pgx.Tx, 1)
	var once sync.Once
	a.onQuiesce(func(_ context.Context, shard int) error {
		if shard == 9 {
			once.Do(func() {
				tx, err := c.block("late", a.ID(), 9, epoch)
				assert.NoError(t, err)
				block <- tx
			})
		}
		return nil
	})
	b := c.join("b", timing{})
	a.hangs.Store(true)
	go func() { _, _ = a.Manager.Move(t.Context(), 9, b.ID()) }()
	var tx pgx.Tx
	c.eventually("the block is open", func() bool {
		select {
		case tx = <-block:
		default:
		}
		return tx != nil
	})
	c.eventually("the epoch is being raised", func() bool { return c.waiting("%epoch = s.epoch + 1 FROM l%") > 0 })
	c.eventually("the others move on meanwhile", func() bool { return b.serves() > 20 })
	require.NotContains(t, b.Held(), 9)
	require.NoError(t, tx.Commit(t.Context()))
	a.hangs.Store(false)
	c.eventually("everything is served once", func() bool { return c.settled(a, b) })
	_, now, _ := c.owner(9)
	require.Greater(t, now, epoch)
}

func TestRaiseSettlesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	_, epoch, _ := c.owner(9)
	tx, err := c.block("lost", a.ID(), 9, epoch)
	require.NoError(t, err)

	type result struct {
		epochs map[int]int64
		err    error
	}
	done := make(chan result, 1)
	go func() {
		epochs, err := a.Raise(t.Context(), map[int]int64{9: epoch, 10: 12345})
		done <- result{epochs, err}
	}()
	c.eventually("it waits for the block", func() bool { return c.waiting("%epoch = s.epoch + 1 FROM l%") > 0 })
	require.Empty(t, done)
	require.NoError(t, tx.Commit(t.Context()))
	r := <-done
	require.NoError(t, r.err)
	require.Equal(t, map[int]int64{9: epoch + 1}, r.epochs, "an epoch that it never had is lost")

	own, ok := a.OwnLease(9)
	require.True(t, ok)
	require.Equal(t, epoch+1, own)
	_, err = c.block("late", a.ID(), 9, epoch)
	require.ErrorContains(t, err, "MX001", "what comes later with the old epoch is refused")
	ok, err = a.Verify(t.Context(), 9, epoch)
	require.NoError(t, err)
	require.False(t, ok)
	ok, err = a.Verify(t.Context(), 9, epoch+1)
	require.NoError(t, err)
	require.True(t, ok)
}
