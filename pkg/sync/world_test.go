package sync

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	stdsync "sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/shard"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

const (
	alice = id.UserID("@alice:test.example")
	bob   = id.UserID("@bob:test.example")
	carol = id.UserID("@carol:test.example")
)

// A world is a database with rooms that tests write as persisters do, an announcer, and the role under test.
type world struct {
	t         *testing.T
	pool      *pgxpool.Pool
	bus       *bus.Bus
	announcer *horizon.Announcer
	follower  *horizon.Follower
	sync      *Sync
	stop      func() // of the role
	mute      bool   // bodies get lost
}

func newWorld(t *testing.T, adjust ...func(*Config)) *world {
	t.Helper()
	w := newWorldOn(t, bus.Local(), adjust...)
	require.Eventually(t, w.sync.connected.Load, time.Minute, time.Millisecond)
	return w
}

func newWorldOn(t *testing.T, b *bus.Bus, adjust ...func(*Config)) *world {
	t.Helper()
	uri := pgtest.New(t)
	pool, err := postgres.Open(t.Context(), uri, postgres.Options{MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	w := &world{t: t, pool: pool, bus: b}
	w.announcer = horizon.NewAnnouncer(horizon.AnnouncerConfig{Source: postgres.At(uri), Pool: pool, Bus: w.bus, WorkerID: 1})
	w.follower = horizon.NewFollower(pool, w.bus)
	cfg := Config{Pool: pool, Bus: w.bus, Follower: w.follower}
	for _, f := range adjust {
		f(&cfg)
	}
	w.sync = New(cfg)
	w.run(w.announcer.Run)
	w.run(w.follower.Run)
	w.stop = w.run(w.sync.Run)
	require.NoError(t, w.sync.await(t.Context(), 0))
	return w
}

func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = stdsync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-done)
	})
	w.t.Cleanup(stop)
	return stop
}

type signer struct{}

func (signer) ServerName() id.ServerName { return "test.example" }
func (signer) KeyID() string             { return "ed25519:a" }
func (signer) Sign([]byte) []byte        { return make([]byte, 64) }

// A testRoom is a room and its writer.
type testRoom struct {
	w     *world
	id    id.RoomID
	mu    stdsync.Mutex
	depth int64
}

type draft struct {
	sender   id.UserID
	typ      string
	key      *string
	content  string
	device   string
	txn      string
	eventID  id.EventID // set by write
	position position.Position
}

func state(sender id.UserID, typ, key, content string) *draft {
	return &draft{sender: sender, typ: typ, key: &key, content: content}
}

func member(user id.UserID, membership string) *draft {
	return state(user, typeMember, string(user), `{"membership":"`+membership+`"}`)
}

func message(sender id.UserID, body string) *draft {
	return &draft{sender: sender, typ: "m.room.message", content: `{"body":"` + body + `","msgtype":"m.text"}`}
}

// newRoom makes a room of alice's.
func (w *world) newRoom(more ...*draft) *testRoom {
	r := &testRoom{w: w}
	empty := ""
	create, err := event.Build(event.DefaultVersion, event.Proto{
		Sender: alice, Type: "m.room.create", StateKey: &empty, Depth: 1, OriginServerTS: time.Now().UnixNano() / 1000,
		Content: json.RawMessage(`{"room_version":"` + event.DefaultVersion.ID + `"}`),
	}, signer{})
	require.NoError(w.t, err)
	r.id, r.depth = event.RoomIDFromCreate(create), 1
	r.commit(append([]*draft{
		{sender: alice, typ: "m.room.create", key: &empty, content: string(create.Content())}, member(alice, "join"),
	}, more...), create)
	return r
}

func (r *testRoom) write(drafts ...*draft) position.Position { return r.commit(drafts, nil) }

// commit writes one block, as a persister does, and publishes it.
func (r *testRoom) commit(drafts []*draft, create *event.Event) position.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ctx := r.w, context.WithoutCancel(r.w.t.Context())
	var shards []int
	for _, d := range drafts {
		if d.typ == typeMember && !slices.Contains(shards, shard.UserShard(id.UserID(*d.key))) {
			shards = append(shards, shard.UserShard(id.UserID(*d.key)))
		}
	}
	tx, err := w.pool.Begin(ctx)
	require.NoError(w.t, err)
	defer func() { _ = tx.Rollback(ctx) }()
	var block int64
	require.NoError(w.t, tx.QueryRow(ctx, `SELECT block_begin(0, 'room', '{}', '{}', (SELECT generation FROM cluster_state), $1, $2, '{}')`,
		[]string{string(r.id)}, append([]int{}, shards...)).Scan(&block))
	slot := shard.Slot(r.id)
	exec := func(sql string, args ...any) {
		_, err := tx.Exec(ctx, sql, args...)
		require.NoError(w.t, err)
	}
	body := bus.RoomBlock{Block: block, RoomID: string(r.id)}
	users := map[int]bus.UserBlock{}
	for i, d := range drafts {
		ev := create
		if i > 0 || create == nil {
			r.depth++
			ev, err = event.Build(event.DefaultVersion, event.Proto{
				RoomID: r.id, Sender: d.sender, Type: d.typ, StateKey: d.key, Content: json.RawMessage(d.content),
				Depth: r.depth, OriginServerTS: time.Now().UnixMilli(),
			}, signer{})
			require.NoError(w.t, err)
		} else {
			exec(`INSERT INTO room (room_id, slot, version, creator, created) VALUES ($1, $2, $3, $4, $5)`,
				string(r.id), slot, event.DefaultVersion.ID, string(alice), int64(position.New(block, 0)))
		}
		p := position.New(block, i)
		d.eventID, d.position = ev.ID(), p
		exec(`INSERT INTO event (slot, room_id, position, event_id, type, state_key, sender, depth, shard_id, owner, epoch, device_id, txn_id, json)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9, $10, $11)`,
			slot, string(r.id), int64(p), string(ev.ID()), d.typ, d.key, string(d.sender), ev.Depth(), d.device, d.txn, ev.JSON())
		if d.key != nil {
			exec(`INSERT INTO state_delta (slot, room_id, type, state_key, position, event_id) VALUES ($1, $2, $3, $4, $5, $6)`,
				slot, string(r.id), d.typ, *d.key, int64(p), string(ev.ID()))
			exec(`INSERT INTO current_state (room_id, type, state_key, position, event_id) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (room_id, type, state_key) DO UPDATE SET position = $4, event_id = $5`,
				string(r.id), d.typ, *d.key, int64(p), string(ev.ID()))
		}
		if d.typ == typeMember {
			user := id.UserID(*d.key)
			exec(`INSERT INTO room_membership (user_id, room_id, user_shard, membership, position, event_id) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (user_id, room_id) DO UPDATE SET membership = $4, position = $5, event_id = $6`,
				*d.key, string(r.id), shard.UserShard(user), ev.Membership(), int64(p), string(ev.ID()))
			u := users[shard.UserShard(user)]
			u.Block, u.UserShard = block, shard.UserShard(user)
			u.Items = append(u.Items, bus.UserItem{UserID: *d.key, RoomID: string(r.id), Membership: ev.Membership(), Position: int64(p), EventID: string(ev.ID())})
			users[shard.UserShard(user)] = u
		}
		body.Events = append(body.Events, bus.RoomEvent{Position: int64(p), EventID: string(ev.ID()), JSON: ev.JSON(), DeviceID: d.device, TxnID: d.txn})
	}
	require.NoError(w.t, tx.Commit(ctx))
	if !w.mute {
		require.NoError(w.t, w.bus.PublishBlock(ctx, []bus.RoomBlock{body}, slices.Collect(maps.Values(users)), true))
	}
	w.announcer.Poke()
	return position.BlockEnd(block)
}

// revoke writes a block that revokes a token.
func (w *world) revoke(tokenHash []byte) {
	_, err := w.pool.Exec(w.t.Context(), `SELECT block_begin(0, 'room', '{}', '{}', 1, '{}', '{}', $1)`, [][]byte{tokenHash})
	require.NoError(w.t, err)
	w.announcer.Poke()
}

// settle waits until the role has seen p.
func (w *world) settle(p position.Position) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	require.NoError(w.t, w.sync.await(ctx, p))
}

// A client syncs as one device.
type client struct {
	w      *world
	user   id.UserID
	device id.DeviceID
	token  []byte
	since  string
	filter string
}

func (w *world) client(user id.UserID) *client {
	return &client{w: w, user: user, device: "DEVICE", token: []byte("token of " + user)}
}

type clientEvent struct {
	EventID  id.EventID      `json:"event_id"`
	Type     string          `json:"type"`
	StateKey *string         `json:"state_key"`
	Sender   id.UserID       `json:"sender"`
	RoomID   id.RoomID       `json:"room_id"`
	Content  json.RawMessage `json:"content"`
	Unsigned unsigned        `json:"unsigned"`
}

type answer struct {
	Code      string `json:"errcode"`
	NextBatch string `json:"next_batch"`
	Error     string `json:"error"`
	Rooms     struct {
		Join map[id.RoomID]struct {
			Summary *struct {
				Heroes  []id.UserID `json:"m.heroes"`
				Joined  int         `json:"m.joined_member_count"`
				Invited int         `json:"m.invited_member_count"`
			} `json:"summary"`
			State    clientEvents   `json:"state"`
			Timeline clientTimeline `json:"timeline"`
		} `json:"join"`
		Invite map[id.RoomID]struct {
			State clientEvents `json:"invite_state"`
		} `json:"invite"`
		Leave map[id.RoomID]struct {
			State    clientEvents   `json:"state"`
			Timeline clientTimeline `json:"timeline"`
		} `json:"leave"`
	} `json:"rooms"`
	AccountData clientEvents `json:"account_data"`
}

type clientEvents struct {
	Events []clientEvent `json:"events"`
}

type clientTimeline struct {
	clientEvents
	Limited   bool   `json:"limited"`
	PrevBatch string `json:"prev_batch"`
}

func (e clientEvents) ids() []id.EventID {
	all := []id.EventID{}
	for _, x := range e.Events {
		all = append(all, x.EventID)
	}
	return all
}

// types are the types with state keys, sorted.
func (e clientEvents) types() []string {
	all := []string{}
	for _, x := range e.Events {
		s := x.Type
		if x.StateKey != nil && *x.StateKey != "" {
			s += " " + *x.StateKey
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

func ids(drafts ...*draft) []id.EventID {
	all := []id.EventID{}
	for _, d := range drafts {
		all = append(all, d.eventID)
	}
	return all
}

func (c *client) request(ctx context.Context, timeout time.Duration, params url.Values) (int, answer) {
	q := url.Values{"timeout": {strconv.FormatInt(timeout.Milliseconds(), 10)}}
	if c.since != "" {
		q.Set("since", c.since)
	}
	if c.filter != "" {
		q.Set("filter", c.filter)
	}
	for k, v := range params {
		q[k] = v
	}
	ctx = internalauth.WithIdentity(ctx, internalauth.Identity{UserID: c.user, DeviceID: c.device, TokenHash: c.token})
	rec := httptest.NewRecorder()
	c.w.sync.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/_matrix/client/v3/sync?"+q.Encode(), nil))
	var a answer
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		c.w.t.Errorf("%v: %s", err, rec.Body)
	}
	return rec.Code, a
}

// sync asks once, and moves on.
func (c *client) sync() answer {
	c.w.t.Helper()
	code, a := c.request(c.w.t.Context(), 0, nil)
	require.Equal(c.w.t, http.StatusOK, code, "%s %s", a.Code, a.Error)
	require.NotEmpty(c.w.t, a.NextBatch)
	c.since = a.NextBatch
	return a
}

// syncAt asks when the role has seen p.
func (c *client) syncAt(p position.Position) answer {
	c.w.t.Helper()
	c.w.settle(p)
	return c.sync()
}

type polled struct {
	code int
	answer
}

// poll asks in the background, and returns when the request has arrived.
func (c *client) poll(params url.Values) <-chan polled {
	c.w.t.Helper()
	result := make(chan polled, 1)
	go func() {
		code, a := c.request(context.WithoutCancel(c.w.t.Context()), 20*time.Second, params)
		result <- polled{code, a}
	}()
	require.Eventually(c.w.t, func() bool {
		c.w.sync.polls.mu.Lock()
		defer c.w.sync.polls.mu.Unlock()
		p := c.w.sync.polls.byDevice[device{c.user, c.device}]
		return p != nil || len(result) > 0
	}, time.Minute, time.Millisecond)
	return result
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
