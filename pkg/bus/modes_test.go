package bus_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
)

func open(t *testing.T, o bus.Options) *bus.Bus {
	t.Helper()
	o.Prefix = "p:"
	b, err := bus.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// outlives checks that messages go from one worker to another before and after part of Redis is lost.
func outlives(t *testing.T, o bus.Options, lose func()) {
	t.Helper()
	from, to := open(t, o), open(t, o)
	ready, rooms := make(chan bus.Horizon, 10000), make(chan bus.RoomBlock, 1000)
	s := to.Subscribe(bus.Handler{Horizon: func(h bus.Horizon) { ready <- h }, Room: func(r bus.RoomBlock) { rooms <- r }})
	all := []string{"!a:x", "!b:x", "!c:x", "!d:x", "!e:x", "!f:x"}
	s.AddRooms(t.Context(), all...)
	run(t, s)
	check := func() {
		t.Helper()
		await(t, from, ready)
		for _, room := range all {
			require.Eventually(t, func() bool {
				_ = from.PublishBlock(t.Context(), []bus.RoomBlock{{RoomID: room}}, nil, true)
				for {
					select {
					case r := <-rooms:
						if r.RoomID == room {
							return true
						}
					default:
						return false
					}
				}
			}, 2*time.Minute, 20*time.Millisecond, room)
		}
	}
	check()
	lose()
	check()
}

func TestMessagesGoOnAfterSentinelsHavePromotedAnother(t *testing.T) {
	t.Parallel()
	w := redistest.StartWatched(t)
	outlives(t, bus.Options{
		URI: bus.At(w.URI()), Password: bus.At(redistest.ServerPassword), SentinelPassword: redistest.SentinelPassword,
	}, w.Servers[0].Stop)
}

func TestMessagesGoOnAfterAClusterHasLostAMaster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	outlives(t, bus.Options{URI: bus.At(c.URI()), Password: bus.At(redistest.ServerPassword)}, c.Nodes[0].Stop)
}

func TestTLSIsCheckedWithTheGivenCertificates(t *testing.T) {
	t.Parallel()
	server, other := redistest.StartTLS(t), redistest.StartTLS(t)
	authority := atomic.Pointer[string]{}
	use := func(s string) { authority.Store(&s) }
	use(other.Authority())
	b := open(t, bus.Options{URI: bus.At(server.URI()), CA: func() ([]byte, error) { return []byte(*authority.Load()), nil }})
	require.ErrorContains(t, b.PublishPoke(t.Context()), "certificate")
	use("no certificate")
	require.ErrorContains(t, b.PublishPoke(t.Context()), "there is none")
	use(server.Authority())
	require.NoError(t, b.PublishPoke(t.Context()), "they are read anew for each connection")
}

func TestAnotherPasswordIsTakenUpWithoutARestart(t *testing.T) {
	t.Parallel()
	server := redistest.StartWithPassword(t, "old")
	password := atomic.Pointer[string]{}
	use := func(s string) { password.Store(&s) }
	use("old")
	b := open(t, bus.Options{URI: bus.At(server.URI()), Password: func() (string, error) { return *password.Load(), nil }})
	ready := make(chan bus.Horizon, 10000)
	run(t, b.Subscribe(bus.Handler{Horizon: func(h bus.Horizon) { ready <- h }}))
	await(t, b, ready)

	admin := server.Client(t)
	require.NoError(t, admin.ConfigSet(t.Context(), "requirepass", "new").Err())
	for _, kind := range []string{"normal", "pubsub"} {
		require.NoError(t, admin.ClientKillByFilter(t.Context(), "TYPE", kind, "SKIPME", "yes").Err())
	}
	require.Eventually(t, func() bool { return b.PublishPoke(t.Context()) != nil }, time.Minute, 5*time.Millisecond, "the old one is refused")
	require.ErrorIs(t, b.Check(t.Context()), bus.ErrRefused)
	use("new")
	await(t, b, ready)
	require.NoError(t, b.Check(t.Context()))
	server.Stop()
	err := b.Check(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, bus.ErrRefused)
}

func TestRedisURIs(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"redis://:hunter2@host:6379/0":                           "",
		"rediss://user:hunter2@host/3":                           "",
		"unix:///run/redis.sock":                                 "",
		"redis+sentinel://user:hunter2@a:1,[::1]:2,c/3?master=m": "",
		"rediss+cluster://a,b:7000":                              "",
		"redis+sentinel://a:1,b:2/0":                             "?master= is missing",
		"redis://host?master=hunter2":                            "not of the form",
		"redis+cluster://a/0?master=m":                           "redis+sentinel:// only",
		"redis+cluster://a/1":                                    "database 0 only",
		"redis+cluster://:hunter2@":                              "not of the form",
		"redis+ring://hunter2":                                   "not of the form",
		"http+cluster://hunter2":                                 "not of the form",
		"unix+cluster://hunter2":                                 "not of the form",
		"hunter2":                                                "not of the form",
		"redis+cluster://a,:1":                                   "not of the form",
		"redis+cluster://a/0?%zz=hunter2":                        "not of the form",
	} {
		b, err := bus.Open(bus.Options{URI: bus.At(uri)})
		if want == "" {
			require.NoError(t, err, uri)
			require.NoError(t, b.Close())
			continue
		}
		require.ErrorContains(t, err, want, uri)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
