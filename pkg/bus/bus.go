// Package bus carries wake-ups and copies between workers over Redis pub/sub: the horizon with the index of the blocks
// below it, the same a few times a second for those who do not wait for it, bodies per room and per user shard, and pokes
// for the announcer. Never truth: a message may be lost, and a reader notices by the index and reads Postgres. Messages are
// versioned; one of an unknown version is dropped, which readers notice the same way.
//
// A bus without Redis (Local) carries the same within one process.
package bus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// publishTimeout bounds how long a writer waits for Redis: it is not on the path of an answer.
const publishTimeout = 500 * time.Millisecond

// RoomHash is how the index names a room: eight bytes instead of its id. Two rooms may share one; a reader then looks
// in Postgres for a body that was never meant for it, and finds none.
func RoomHash(roomID string) uint64 { return xxhash.Sum64String(roomID) }

// Bus publishes. All methods are safe for concurrent use; an error is worth a log line, nothing else.
type Bus struct {
	prefix    string
	transport transport
}

type transport interface {
	// publish sends batches, each after the one before. The messages of one are in order where a server has more than one.
	publish(ctx context.Context, batches ...[]message) error
	subscribe() stream
	check(ctx context.Context) error
	close() error
}

// A message is what is published on a channel.
type message struct {
	channel string
	payload []byte
}

// stream is one subscriber's connection.
type stream interface {
	add(ctx context.Context, channels []string)
	remove(ctx context.Context, channels []string)
	run(ctx context.Context, message func(channel string, payload []byte), up, down func()) error
}

// ErrRefused is why Check fails if Redis does not take the login.
var ErrRefused = errors.New("the login is refused")

// Check asks Redis for an answer. It says ErrRefused if there is one, and it is that this user may not.
func (b *Bus) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return b.transport.check(ctx)
}

// Close releases the connections.
func (b *Bus) Close() error { return b.transport.close() }

// PublishHorizon says how far the stream is settled.
func (b *Bus) PublishHorizon(ctx context.Context, h Horizon) error {
	return b.publish(ctx, []message{{b.prefix + "horizon", h.encode()}})
}

// PublishDigest says the same as PublishHorizon said since the last digest, in one message.
func (b *Bus) PublishDigest(ctx context.Context, h Horizon) error {
	return b.publish(ctx, []message{{b.prefix + "digest", h.encode()}})
}

// PublishBlock sends what a committed block holds: its events to the workers that serve the rooms, what it addresses to users
// to those that serve their shards, and then, unless the announcer knows, a poke to it, which finds the bodies there. It
// takes one round trip, however many rooms there are, or two in a cluster.
func (b *Bus) PublishBlock(ctx context.Context, rooms []RoomBlock, users []UserBlock, poke bool) error {
	bodies := make([]message, 0, len(rooms)+len(users))
	for _, r := range rooms {
		bodies = append(bodies, message{b.prefix + "room:" + r.RoomID, r.encode()})
	}
	for _, u := range users {
		bodies = append(bodies, message{b.prefix + "user:" + strconv.Itoa(u.UserShard), u.encode()})
	}
	if !poke {
		return b.publish(ctx, bodies)
	}
	return b.publish(ctx, bodies, []message{b.poke()})
}

// PublishPoke wakes the announcer: a block was committed.
func (b *Bus) PublishPoke(ctx context.Context) error { return b.publish(ctx, []message{b.poke()}) }

func (b *Bus) poke() message { return message{b.prefix + "poke", []byte{version}} }

func (b *Bus) publish(ctx context.Context, batches ...[]message) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return b.transport.publish(ctx, batches...)
}

// Handler says what to do with messages. Its functions are called one at a time, in order of arrival, and must not
// block. A nil function means no interest; Horizon, Digest and Poke are subscribed to exactly when set.
type Handler struct {
	Horizon func(Horizon)
	Digest  func(Horizon)
	Poke    func()
	Room    func(RoomBlock)
	User    func(UserBlock)
	// Connected and Disconnected tell of the connection; what was published in between is lost.
	Connected    func()
	Disconnected func()
}

// Subscriber receives. Rooms and user shards may be added and removed at any time, before and while it runs.
type Subscriber struct {
	prefix  string
	handler Handler
	stream  stream
}

// Subscribe makes a subscriber; it receives while its Run runs.
func (b *Bus) Subscribe(h Handler) *Subscriber {
	return &Subscriber{prefix: b.prefix, handler: h, stream: b.transport.subscribe()}
}

// AddRooms subscribes to rooms' bodies. What is published before the subscription took effect is seen by the index only.
func (s *Subscriber) AddRooms(ctx context.Context, roomIDs ...string) {
	s.stream.add(ctx, s.channels("room:", roomIDs))
}

// RemoveRooms undoes AddRooms.
func (s *Subscriber) RemoveRooms(ctx context.Context, roomIDs ...string) {
	s.stream.remove(ctx, s.channels("room:", roomIDs))
}

// AddUserShards subscribes to what is addressed to the users of these shards.
func (s *Subscriber) AddUserShards(ctx context.Context, shards ...int) {
	s.stream.add(ctx, s.channels("user:", decimals(shards)))
}

// RemoveUserShards undoes AddUserShards.
func (s *Subscriber) RemoveUserShards(ctx context.Context, shards ...int) {
	s.stream.remove(ctx, s.channels("user:", decimals(shards)))
}

// Run receives until ctx ends; it reconnects by itself.
func (s *Subscriber) Run(ctx context.Context) error {
	if s.handler.Horizon != nil {
		s.stream.add(ctx, s.channels("horizon", []string{""}))
	}
	if s.handler.Digest != nil {
		s.stream.add(ctx, s.channels("digest", []string{""}))
	}
	if s.handler.Poke != nil {
		s.stream.add(ctx, s.channels("poke", []string{""}))
	}
	return s.stream.run(ctx, s.deliver, call(s.handler.Connected), call(s.handler.Disconnected))
}

func (s *Subscriber) deliver(channel string, payload []byte) {
	switch name := strings.TrimPrefix(channel, s.prefix); {
	case name == "horizon":
		if h, ok := decodeHorizon(payload); ok {
			s.handler.Horizon(h)
		}
	case name == "digest":
		if h, ok := decodeHorizon(payload); ok {
			s.handler.Digest(h)
		}
	case name == "poke":
		s.handler.Poke()
	case strings.HasPrefix(name, "room:") && s.handler.Room != nil:
		if r, ok := decodeRoomBlock(payload); ok {
			s.handler.Room(r)
		}
	case strings.HasPrefix(name, "user:") && s.handler.User != nil:
		if u, ok := decodeUserBlock(payload); ok {
			s.handler.User(u)
		}
	}
}

func (s *Subscriber) channels(kind string, names []string) []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = s.prefix + kind + n
	}
	return all
}

func decimals(ints []int) []string {
	all := make([]string, len(ints))
	for i, n := range ints {
		all[i] = strconv.Itoa(n)
	}
	return all
}

func call(f func()) func() {
	if f == nil {
		return func() {}
	}
	return f
}
