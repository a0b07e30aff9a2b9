package horizon

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func follow(t *testing.T, uri string, b *bus.Bus) (*Follower, <-chan Advance) {
	t.Helper()
	f := NewFollower(openPool(t, uri), b)
	advances := make(chan Advance, 1000)
	f.OnAdvance(func(a Advance) { advances <- a })
	t.Cleanup(f.Attend())
	start(t, f.Run)
	return f, advances
}

// reach collects advances until P is there, checks that they join up, and returns the blocks listed.
func reach(t *testing.T, advances <-chan Advance, from, p int64) []int64 {
	t.Helper()
	blocks := []int64{}
	for from < p {
		a := receive(t, advances)
		require.False(t, a.Reset)
		require.Equal(t, position.Position(from), a.Prev)
		from = int64(a.P)
		blocks = append(blocks, listed(a.Blocks)...)
	}
	require.Equal(t, p, from)
	return blocks
}

func TestAnnouncedBlocksReachFollowersInOrder(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn, b := connect(t, uri), bus.Local()
	before := commitBlock(t, conn)
	a := NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: b, WorkerID: 1})
	start(t, a.Run)
	f, advances := follow(t, uri, b)
	first := receive(t, advances)
	require.True(t, first.Reset)

	want, last := []int64{}, before
	for range 50 {
		last = commitBlock(t, conn, "!a:x")
		want = append(want, last)
		a.Poke()
	}
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(last)))
	got := reach(t, advances, int64(first.P), end(last))
	if first.P == 0 {
		want = append([]int64{before}, want...)
	}
	require.Equal(t, want, got)
	require.Eventually(t, f.Fresh, patience, minSpacing)
}

func TestAnotherAnnouncerTakesOver(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn, b := connect(t, uri), bus.Local()
	announcer := func(worker int64) *Announcer {
		return NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: b, WorkerID: worker, ApplicationName: "announcer"})
	}
	stop := start(t, announcer(1).Run)
	f, _ := follow(t, uri, b)
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(commitBlock(t, conn))))

	start(t, announcer(2).Run)
	stop() // planned: it resigns
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(commitBlock(t, conn))))
	var worker, term int64
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT worker_id, term FROM leader WHERE name = 'announcer'`).Scan(&worker, &term))
	require.Equal(t, []int64{2, 2}, []int64{worker, term})

	// Not planned: the session is cut, by whatever.
	_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'announcer'`)
	require.NoError(t, err)
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(commitBlock(t, conn))))
}

// The server hears the announcer, and the announcer nothing: it gives its session up, and another moves P.
func TestAnAnnouncerThatHearsNothingIsReplaced(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn, b := connect(t, uri), bus.Local()
	through, deafen := newNetwork(t, uri)
	start(t, NewAnnouncer(AnnouncerConfig{Source: postgres.At(through), Pool: openPool(t, through), Bus: b, WorkerID: 1, ApplicationName: "first"}).Run)
	f, _ := follow(t, uri, b)
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(commitBlock(t, conn))))
	start(t, NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: b, WorkerID: 2}).Run)

	deafen()
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(commitBlock(t, conn))))
	var worker, sessions int64
	require.Eventually(t, func() bool {
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT worker_id, (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'first')
			FROM leader WHERE name = 'announcer'`).Scan(&worker, &sessions))
		return worker == 2 && sessions == 0
	}, patience, 10*minSpacing)
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(commitBlock(t, conn))))
}

func TestFollowerFillsWhatTheBusLost(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn, b := connect(t, uri), bus.Local()
	c := newCloser(t, uri, 1)
	f, advances := follow(t, uri, b)
	require.True(t, receive(t, advances).Reset)
	require.Zero(t, f.P())

	var lost []int64
	for range 5 {
		lost = append(lost, commitBlock(t, conn))
	}
	c.must(t)
	heard := commitBlock(t, conn)
	s := c.must(t)
	require.NoError(t, b.PublishHorizon(t.Context(), s.Horizon))
	require.Equal(t, append(lost, heard), reach(t, advances, 0, s.P))

	// Heard twice and out of order: nothing happens twice.
	old := s
	next := commitBlock(t, conn)
	s = c.must(t)
	for _, h := range []bus.Horizon{old.Horizon, s.Horizon, old.Horizon, s.Horizon} {
		require.NoError(t, b.PublishHorizon(t.Context(), h))
	}
	require.Equal(t, []int64{next}, reach(t, advances, old.P, s.P))

	// An announcement that overlaps with what is known.
	another := commitBlock(t, conn)
	overlap := c.must(t)
	overlap.Prev, overlap.Blocks = old.P, append([]bus.BlockIndex{{Block: next}}, overlap.Blocks...)
	require.NoError(t, b.PublishHorizon(t.Context(), overlap.Horizon))
	require.Equal(t, []int64{another}, reach(t, advances, s.P, overlap.P))
}

func TestFollowerPollsWhileTheBusIsSilent(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	c := newCloser(t, uri, 1)
	_, advances := follow(t, uri, bus.Local())
	require.True(t, receive(t, advances).Reset)
	block := commitBlock(t, conn)
	p := c.must(t).P
	require.Equal(t, []int64{block}, reach(t, advances, 0, p))
}

func TestAnotherGenerationResetsTheFollower(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	b := bus.Local()
	f, advances := follow(t, uri, b)
	require.True(t, receive(t, advances).Reset)
	p := end(1 << 24)
	require.NoError(t, b.PublishHorizon(t.Context(), bus.Horizon{Generation: 2, Prev: p, P: p}))
	a := receive(t, advances)
	require.True(t, a.Reset)
	require.Equal(t, int64(2), a.Generation)
	require.NoError(t, f.Wait(t.Context(), position.Position(p)))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Wait(ctx, position.Position(p)+1), context.Canceled)
}

// A process that was stopped finds announcements that are as old as its stop: they do not make P fresh.
func TestAnAnnouncementThatEndsASilenceIsNotFresh(t *testing.T) {
	t.Parallel()
	f := NewFollower(nil, bus.Local())
	f.base, f.generation = time.Now().Add(-time.Minute), 1
	f.p.Store(10)
	f.heard.Store(1)
	require.NoError(t, f.take(t.Context(), bus.Horizon{Generation: 1, Prev: 10, P: 20}))
	require.EqualValues(t, 20, f.P())
	require.False(t, f.Fresh())
	f.hear()
	require.NoError(t, f.take(t.Context(), bus.Horizon{Generation: 1, Prev: 20, P: 30}))
	require.True(t, f.Fresh())
}
