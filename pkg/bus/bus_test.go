package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
)

// A pool that was closed while its server was down notices within a second.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// each runs the test over both transports: they must be told apart by nothing.
func each(t *testing.T, test func(t *testing.T, b *bus.Bus)) {
	t.Run("local", func(t *testing.T) { t.Parallel(); test(t, bus.Local()) })
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		b, err := bus.Open(bus.Options{URI: bus.At(redistest.New(t)), Prefix: "p:"})
		require.NoError(t, err)
		t.Cleanup(func() { _ = b.Close() })
		test(t, b)
	})
}

func run(t *testing.T, s *bus.Subscriber) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing arrived")
		panic("unreachable")
	}
}

// sync publishes horizons until one arrives: from then on the subscriber's earlier subscriptions are in force.
func await(t *testing.T, b *bus.Bus, c <-chan bus.Horizon) {
	t.Helper()
	require.Eventually(t, func() bool {
		_ = b.PublishHorizon(t.Context(), bus.Horizon{})
		select {
		case <-c:
			return true
		default:
			return false
		}
	}, time.Minute, 5*time.Millisecond)
}

func TestMessagesArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bus.Bus) {
		ready, horizons, pokes := make(chan bus.Horizon, 1000), make(chan bus.Horizon, 1000), make(chan struct{}, 10)
		rooms, users := make(chan bus.RoomBlock, 10), make(chan bus.UserBlock, 10)
		s := b.Subscribe(bus.Handler{
			Horizon: func(h bus.Horizon) {
				if h.P == 0 {
					ready <- h
					return
				}
				horizons <- h
			},
			Poke: func() { pokes <- struct{}{} },
			Room: func(r bus.RoomBlock) { rooms <- r },
			User: func(u bus.UserBlock) { users <- u },
		})
		s.AddRooms(t.Context(), "!a:x", "!b:x")
		s.AddUserShards(t.Context(), 7)
		run(t, s)
		await(t, b, ready)

		h := bus.Horizon{Generation: 2, Prev: 5 << 10, P: 9<<10 | 1023, Blocks: []bus.BlockIndex{
			{Block: 7, Rooms: []uint64{bus.RoomHash("!a:x"), 1 << 63}, UserShards: []uint16{7, 63}},
			{Block: 9, Revoked: [][]byte{{1, 2, 3}}},
		}}
		room := bus.RoomBlock{Block: 7, RoomID: "!a:x", Events: []bus.RoomEvent{
			{Position: 7 << 10, EventID: "$1", JSON: []byte(`{"a":1}`), DeviceID: "D", TxnID: "t"}, {Position: 7<<10 | 1, EventID: "$2", JSON: []byte(`{}`)},
		}}
		user := bus.UserBlock{Block: 7, UserShard: 7, Items: []bus.UserItem{{UserID: "@a:x", RoomID: "!a:x", Membership: "join", Position: 7 << 10, EventID: "$1"}}}
		require.NoError(t, b.PublishHorizon(t.Context(), h))
		require.NoError(t, b.PublishBlock(t.Context(), []bus.RoomBlock{{Block: 1, RoomID: "!not-mine:x"}, room}, []bus.UserBlock{{Block: 1, UserShard: 8}, user}, true))
		require.Equal(t, h, receive(t, horizons))
		require.Equal(t, room, receive(t, rooms))
		require.Equal(t, user, receive(t, users))
		receive(t, pokes)
	})
}

// The announcer makes P known at its poke, and whoever hears P should have the bodies.
func TestBodiesComeBeforeThePoke(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bus.Bus) {
		ready, came := make(chan bus.Horizon, 1000), make(chan string, 1000)
		s := b.Subscribe(bus.Handler{
			Horizon: func(h bus.Horizon) { ready <- h }, Poke: func() { came <- "poke" },
			Room: func(bus.RoomBlock) { came <- "room" }, User: func(bus.UserBlock) { came <- "user" },
		})
		s.AddRooms(t.Context(), "!a:x")
		s.AddUserShards(t.Context(), 7)
		run(t, s)
		await(t, b, ready)
		require.NoError(t, b.PublishBlock(t.Context(), []bus.RoomBlock{{RoomID: "!a:x"}}, []bus.UserBlock{{UserShard: 7}}, true))
		require.Equal(t, []string{"room", "user", "poke"}, []string{receive(t, came), receive(t, came), receive(t, came)})
		require.NoError(t, b.PublishBlock(t.Context(), []bus.RoomBlock{{RoomID: "!a:x"}}, nil, false))
		require.NoError(t, b.PublishBlock(t.Context(), nil, []bus.UserBlock{{UserShard: 7}}, true))
		require.Equal(t, []string{"room", "user", "poke"}, []string{receive(t, came), receive(t, came), receive(t, came)}, "a poke only if asked for")
	})
}

func TestInterestChangesWhileRunning(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bus.Bus) {
		ready, rooms := make(chan bus.Horizon, 1000), make(chan bus.RoomBlock, 10)
		s := b.Subscribe(bus.Handler{Horizon: func(h bus.Horizon) { ready <- h }, Room: func(r bus.RoomBlock) { rooms <- r }})
		run(t, s)
		await(t, b, ready)
		s.AddRooms(t.Context(), "!a:x", "!b:x")
		s.RemoveRooms(t.Context(), "!a:x")
		require.Eventually(t, func() bool {
			require.NoError(t, b.PublishBlock(t.Context(), []bus.RoomBlock{{RoomID: "!a:x"}, {RoomID: "!b:x"}}, nil, true))
			return len(rooms) > 0
		}, time.Minute, 5*time.Millisecond)
		require.Equal(t, "!b:x", receive(t, rooms).RoomID)
	})
}

func TestSubscriberOutlivesARestartOfRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b, err := bus.Open(bus.Options{URI: bus.At(server.URI()), Prefix: "p:"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	ready, up, down := make(chan bus.Horizon, 10000), make(chan struct{}, 100), make(chan struct{}, 100)
	run(t, b.Subscribe(bus.Handler{
		Horizon:      func(h bus.Horizon) { ready <- h },
		Connected:    func() { up <- struct{}{} },
		Disconnected: func() { down <- struct{}{} },
	}))
	receive(t, up)
	await(t, b, ready)
	server.Stop()
	receive(t, down)
	require.Error(t, b.PublishPoke(t.Context()))
	server.Restart(t)
	receive(t, up)
	await(t, b, ready)
}

func TestOpenKeepsThePasswordOutOfItsError(t *testing.T) {
	t.Parallel()
	_, err := bus.Open(bus.Options{URI: bus.At("redis://:hunter2@bad host:x")})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
