package store_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/store"
	"github.com/myelin-hs/myelin/pkg/store/storetest"
)

const (
	alice id.UserID = "@alice:test.example"
	bob   id.UserID = "@bob:test.example"
	carol id.UserID = "@carol:test.example"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func open(t *testing.T) (*store.Store, *pgxpool.Pool) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{ApplicationName: "store test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return store.New(pool), pool
}

func TestRoom(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	r := storetest.NewRoom(t, pool, alice)
	gone := r.Member(alice, bob, "ban")

	room, m, err := s.Room(t.Context(), r.ID, bob)
	require.NoError(t, err)
	require.Equal(t, r.ID, room.ID)
	require.Equal(t, "12", room.Version.ID)
	require.Equal(t, store.Membership{Membership: "ban", Position: gone.Position, EventID: gone.ID()}, m)
	_, m, err = s.Room(t.Context(), r.ID, carol)
	require.NoError(t, err)
	require.Zero(t, m)
	_, _, err = s.Room(t.Context(), "!no:test.example", alice)
	require.ErrorIs(t, err, store.ErrNoRoom)

	other := storetest.NewRoom(t, pool, alice)
	rooms, err := s.RoomsOf(t.Context(), alice, "join")
	require.NoError(t, err)
	require.ElementsMatch(t, []id.RoomID{r.ID, other.ID}, rooms)
	rooms, err = s.RoomsOf(t.Context(), bob, "join")
	require.NoError(t, err)
	require.Empty(t, rooms)
}

func ids(events []store.Event) []id.EventID {
	out := []id.EventID{}
	for _, e := range events {
		out = append(out, e.ID())
	}
	return out
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	r := storetest.NewRoom(t, pool, alice)
	other := storetest.NewRoom(t, pool, alice)
	var sent []storetest.Sent
	for i := range 5 {
		sent = append(sent, r.Text(alice, fmt.Sprint(i)))
		other.Text(alice, "elsewhere")
	}
	room, _, err := s.Room(t.Context(), r.ID, alice)
	require.NoError(t, err)

	got, err := s.EventsBackward(t.Context(), room, sent[0].Position, sent[3].Position, 2)
	require.NoError(t, err)
	require.Equal(t, []id.EventID{sent[3].ID(), sent[2].ID()}, ids(got), "the upper bound is in, newest first")
	got, err = s.EventsForward(t.Context(), room, sent[0].Position, sent[3].Position, 9)
	require.NoError(t, err)
	require.Equal(t, []id.EventID{sent[1].ID(), sent[2].ID(), sent[3].ID()}, ids(got), "the lower bound is out")
	require.Equal(t, sent[1].JSON(), got[0].JSON())
	require.Equal(t, sent[1].Position, got[0].Position)

	one, ok, err := s.Event(t.Context(), room, sent[1].ID())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, sent[1].ID(), one.ID())
	otherRoom, _, err := s.Room(t.Context(), other.ID, alice)
	require.NoError(t, err)
	_, ok, err = s.Event(t.Context(), otherRoom, sent[1].ID())
	require.NoError(t, err)
	require.False(t, ok, "an event is in its own room only")
}

func TestState(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	r := storetest.NewRoom(t, pool, alice)
	first := r.State(alice, "m.room.name", "", map[string]any{"name": "first"})
	r.Member(alice, bob, "invite")
	joined := r.Member(bob, bob, "join")
	second := r.State(alice, "m.room.name", "", map[string]any{"name": "second"})
	r.Text(alice, "no state")
	left := r.Member(bob, bob, "leave")
	room, _, err := s.Room(t.Context(), r.ID, alice)
	require.NoError(t, err)

	name := store.StateFilter{Types: []string{"m.room.name"}}
	for at, want := range map[position.Position]id.EventID{
		first.Position: first.ID(), second.Position - 1: first.ID(), second.Position: second.ID(), store.Now: second.ID(),
	} {
		got, err := s.State(t.Context(), room, name, at)
		require.NoError(t, err)
		require.Equal(t, []id.EventID{want}, ids(got))
	}
	_, ok, err := s.StateEvent(t.Context(), room, "m.room.name", "", first.Position-1)
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = s.StateEvent(t.Context(), room, "m.room.name", "x", store.Now)
	require.NoError(t, err)
	require.False(t, ok)

	for _, at := range []position.Position{store.Now, left.Position} {
		all, err := s.State(t.Context(), room, store.StateFilter{}, at)
		require.NoError(t, err)
		require.Len(t, all, 4, "create, two members, name")
		require.Equal(t, left.ID(), all[3].ID(), "in order of position")
	}
	all, err := s.State(t.Context(), room, store.StateFilter{}, joined.Position)
	require.NoError(t, err)
	require.Equal(t, joined.ID(), all[3].ID())
	none, err := s.State(t.Context(), room, store.StateFilter{Types: []string{}}, store.Now)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestStateHistory(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	r := storetest.NewRoom(t, pool, alice)
	var names []storetest.Sent
	for i := range 4 {
		names = append(names, r.State(alice, "m.room.name", "", map[string]any{"name": fmt.Sprint(i)}))
	}
	room, _, err := s.Room(t.Context(), r.ID, alice)
	require.NoError(t, err)
	history := func(from, upTo position.Position) []id.EventID {
		got, err := s.StateHistory(t.Context(), room, "m.room.name", "", from, upTo, 10)
		require.NoError(t, err)
		return ids(got)
	}
	require.Equal(t, []id.EventID{names[2].ID(), names[1].ID()}, history(names[1].Position, names[2].Position))
	require.Equal(t, []id.EventID{names[2].ID(), names[1].ID()}, history(names[2].Position-1, names[3].Position-1),
		"what held before comes too")
	require.Equal(t, []id.EventID{names[0].ID()}, history(0, names[0].Position))
	require.Empty(t, history(0, names[0].Position-1))
}

func TestLeftAt(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	r := storetest.NewRoom(t, pool, alice)
	room, _, err := s.Room(t.Context(), r.ID, alice)
	require.NoError(t, err)
	leftAt := func() (position.Position, bool) {
		at, ok, err := s.LeftAt(t.Context(), room, bob)
		require.NoError(t, err)
		return at, ok
	}
	_, ok := leftAt()
	require.False(t, ok, "never seen")
	r.Member(alice, bob, "invite")
	r.Member(bob, bob, "leave")
	_, ok = leftAt()
	require.False(t, ok, "an invitation refused is no stay")
	r.Member(alice, bob, "invite")
	r.Member(bob, bob, "join")
	_, ok = leftAt()
	require.False(t, ok, "still here")
	kicked := r.Member(alice, bob, "leave")
	r.Member(alice, bob, "ban")
	r.Member(alice, bob, "leave")
	r.Member(alice, bob, "invite")
	at, ok := leftAt()
	require.True(t, ok)
	require.Equal(t, kicked.Position, at)
}

func TestProfile(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	storetest.Device(t, pool, alice, "D")
	_, ok, err := s.Profile(t.Context(), bob)
	require.NoError(t, err)
	require.False(t, ok)
	all, err := s.Profiles(t.Context(), []id.UserID{alice, bob})
	require.NoError(t, err)
	require.Equal(t, map[id.UserID]store.Profile{alice: {}}, all, "who has no account is not in it")
	p, ok, err := s.Profile(t.Context(), alice)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, store.Profile{}, p)
	name, url := "Alice", "mxc://test.example/a"
	require.NoError(t, s.SetAvatarURL(t.Context(), alice, &url))
	require.NoError(t, s.SetDisplayName(t.Context(), alice, &name))
	p, _, err = s.Profile(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, store.Profile{DisplayName: &name, AvatarURL: &url}, p)
	require.NoError(t, s.SetDisplayName(t.Context(), alice, nil))
	p, _, err = s.Profile(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, store.Profile{AvatarURL: &url}, p)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	var wg sync.WaitGroup
	numbers := make([]int64, 8)
	for i := range numbers {
		wg.Go(func() {
			n, err := s.AddFilter(t.Context(), alice, []byte(`{"a":1}`))
			if err != nil {
				t.Errorf("add a filter: %v", err)
			}
			numbers[i] = n
		})
	}
	wg.Wait()
	for _, n := range numbers {
		require.Equal(t, numbers[0], n, "the same filter has the same number")
	}
	raw, ok, err := s.Filter(t.Context(), alice, numbers[0])
	require.NoError(t, err)
	require.True(t, ok)
	require.JSONEq(t, `{"a":1}`, string(raw))
	_, ok, err = s.Filter(t.Context(), bob, numbers[0])
	require.NoError(t, err)
	require.False(t, ok, "filters are their owner's")

	_, err = pool.Exec(t.Context(), `INSERT INTO filter (user_id, hash, json) SELECT $1, i::text::bytea, '{}' FROM generate_series(1, 999) i`, alice)
	require.NoError(t, err)
	_, err = s.AddFilter(t.Context(), alice, []byte(`{"a":2}`))
	require.ErrorIs(t, err, store.ErrTooManyFilters)
	_, err = s.AddFilter(t.Context(), alice, []byte(`{"a":1}`))
	require.NoError(t, err, "a known one is still found")
}

func TestDevices(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	storetest.Device(t, pool, alice, "A")
	storetest.Device(t, pool, alice, "B")
	storetest.Device(t, pool, bob, "C")
	all, err := s.Devices(t.Context(), alice)
	require.NoError(t, err)
	require.ElementsMatch(t, []store.Device{{"A", "a device"}, {"B", "a device"}}, all)
	one, ok, err := s.Device(t.Context(), alice, "B")
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, "B", one.ID)
	_, ok, err = s.Device(t.Context(), alice, "C")
	require.NoError(t, err)
	require.False(t, ok)
}
