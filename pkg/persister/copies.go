package persister

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// CopiesPath is where a worker takes copies of rooms that it is about to own: POST from the present owner.
const CopiesPath = "/_myelin/internal/v1/copies"

// MaxCopiesBytes bounds the body of a request to CopiesPath.
const MaxCopiesBytes = 8 << 20

// Bounds of what is kept for shards that may come.
const (
	maxKeptCopies = 64 << 20 // bytes
	keepCopies    = 10 * time.Second
)

// copiesVersion is the version of copiesMessage. Another is ignored: the rooms are loaded from Postgres.
const copiesVersion = 2

type copiesMessage struct {
	Version int          `json:"version"`
	Shard   int          `json:"shard"`
	Rooms   []copiedRoom `json:"rooms"`
}

type copiedRoom struct {
	RoomID   id.RoomID    `json:"room_id"`
	Version  string       `json:"version"`
	Epoch    int64        `json:"epoch"`
	Position int64        `json:"position"` // of Head
	Head     copiedHead   `json:"head"`
	State    []copiedFact `json:"state"`
}

type copiedHead struct {
	ID    id.EventID `json:"id"`
	Depth int64      `json:"depth"`
	Hash  []byte     `json:"hash,omitempty"`
}

type copiedFact struct {
	ID       id.EventID      `json:"id"`
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Sender   id.UserID       `json:"sender"`
	Hash     []byte          `json:"hash,omitempty"`
	Content  json.RawMessage `json:"content"`
}

func messageOf(c *roomCopy) copiedRoom {
	m := copiedRoom{RoomID: c.room, Version: c.version.ID, Epoch: c.epoch, Position: c.position,
		Head: copiedHead{c.head.event, c.head.depth, c.head.hash}, State: make([]copiedFact, len(c.state))}
	for i, f := range c.state {
		at := f.place()
		m.State[i] = copiedFact{f.ID(), at.Type, at.StateKey, f.Sender(), f.hash(), f.Content()}
	}
	return m
}

// encode keeps the bytes of contents as they are.
func (m copiesMessage) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil // contents are JSON
	}
	return b.Bytes()
}

func (m copiedRoom) copy() (*roomCopy, error) {
	c := &roomCopy{room: m.RoomID, epoch: m.Epoch, position: m.Position, head: head{m.Head.ID, m.Head.Depth, m.Head.Hash}}
	var ok bool
	if c.version, ok = event.LookupVersion(m.Version); !ok {
		return nil, fmt.Errorf("room version %q is not known to this build", m.Version)
	}
	if err := checkHash(c.version, m.Head.ID, m.Head.Hash); err != nil {
		return nil, err
	}
	c.bytes = roomOverhead
	for _, s := range m.State {
		if err := s.check(c.version); err != nil {
			return nil, err
		}
		f := newFact(c.room, s.ID, eventauth.StateKeyTuple{Type: s.Type, StateKey: s.StateKey}, s.Sender, s.Hash, s.Content)
		c.state = append(c.state, f)
		c.bytes += f.bytes()
	}
	return c, nil
}

// check refuses what no worker would send.
func (s copiedFact) check(v *event.Version) error {
	for _, field := range []string{string(s.ID), s.Type, s.StateKey, string(s.Sender)} {
		if len(field) > event.MaxField {
			return fmt.Errorf("%s has a field of %d bytes", s.ID, len(field))
		}
	}
	switch {
	case s.ID == "" || s.Type == "" || s.Sender == "":
		return fmt.Errorf("%q of %q, type %q, is no state", s.ID, s.Sender, s.Type)
	case !canonicaljson.IsObject(s.Content):
		return fmt.Errorf("%s has no content", s.ID)
	}
	return checkHash(v, s.ID, s.Hash)
}

func checkHash(v *event.Version, eventID id.EventID, hash []byte) error {
	if v.EventIDInEvent && len(hash) != sha256.Size {
		return fmt.Errorf("%s has no reference hash", eventID)
	}
	return nil
}

// takeCopies serves CopiesPath. The request comes from a worker, on nobody's behalf; copies of no use are ignored.
func (p *Persister) takeCopies(w http.ResponseWriter, r *http.Request) {
	if who, ok := internalauth.IdentityFrom(r.Context()); !ok || who.UserID != "" {
		mxhttp.WriteError(w, r, mxerr.MissingToken())
		return
	}
	var m copiesMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxCopiesBytes)).Decode(&m); err != nil {
		mxhttp.WriteError(w, r, mxerr.BadJSON("%v", err))
		return
	}
	if m.Version != copiesVersion {
		p.copies.meter.ignored.Add(float64(len(m.Rooms)))
	} else {
		for _, room := range m.Rooms {
			c, err := room.copy()
			if err != nil {
				p.copies.meter.ignored.Inc()
				p.log.Info("a copy of a room is of no use", "room", room.RoomID, "error", err)
				continue
			}
			p.copies.put(m.Shard, c, p.opts.now())
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// copies are those that arrived of shards that may come, bounded in bytes and age.
type copies struct {
	meter   copiesMeter
	mu      sync.Mutex
	shards  map[int]map[id.RoomID]*roomCopy
	arrived map[int]time.Time // the newest of a shard
	bytes   int
}

func newCopies(m copiesMeter) *copies {
	return &copies{meter: m, shards: make(map[int]map[id.RoomID]*roomCopy), arrived: make(map[int]time.Time)}
}

func (c *copies) put(shard int, rc *roomCopy, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, at := range c.arrived {
		if now.Sub(at) > keepCopies {
			c.ignore(s)
		}
	}
	if old := c.shards[shard][rc.room]; old != nil {
		c.meter.ignored.Inc()
		c.bytes -= old.bytes
		delete(c.shards[shard], rc.room)
	}
	if c.bytes+rc.bytes > maxKeptCopies {
		c.meter.ignored.Inc()
		return
	}
	if c.shards[shard] == nil {
		c.shards[shard] = make(map[id.RoomID]*roomCopy)
	}
	c.shards[shard][rc.room] = rc
	c.arrived[shard] = now
	c.bytes += rc.bytes
}

// take returns the copies of a shard and forgets them.
func (c *copies) take(shard int) map[id.RoomID]*roomCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.shards[shard]
	c.drop(shard)
	return taken
}

// clear forgets all.
func (c *copies) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for shard := range c.arrived {
		c.ignore(shard)
	}
}

func (c *copies) ignore(shard int) {
	c.meter.ignored.Add(float64(len(c.shards[shard])))
	c.drop(shard)
}

func (c *copies) drop(shard int) {
	for _, rc := range c.shards[shard] {
		c.bytes -= rc.bytes
	}
	delete(c.shards, shard)
	delete(c.arrived, shard)
}

// preload loads the rooms of a shard that has come, of which there are copies, before anybody asks for them.
func (l *lane) preload(shard int) {
	epoch, ok := l.leases.OwnLease(shard)
	for roomID, c := range l.copies.take(shard) {
		is := l.rooms.get(roomID)
		if !ok || c.epoch >= epoch || is != nil && (is.epoch == epoch || is.loading || is.tail != nil || len(is.waiting) > 0) ||
			l.leases.ShardOf(roomID) != shard {
			l.meter.copies.ignored.Inc()
			continue
		}
		r := newRoom(roomID, shard, epoch)
		r.copy = c
		l.rooms.put(r)
		l.wanted = append(l.wanted, r)
	}
}
