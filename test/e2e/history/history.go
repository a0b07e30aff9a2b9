// Package history judges what clients saw of a homeserver against what it stored. [History.Check] is O(n): no acknowledged
// event may be lost, stored twice or out of order, no reader may skip or repeat one. [History.Linearize] asks whether what
// was answered, and when, is explained by events that take effect one after the other. Neither knows how the history came
// to be.
package history

import (
	"slices"
	"sync"
	"time"
)

// Sent is one event that a client tried to send. Its key, which the event carries in its content, is unique.
type Sent struct {
	Room, Sender, Key string
	Seq               int    // grows by one for each event of this sender in this room; it sends one after the other
	EventID           string // what the server answered; "" when it did not acknowledge
	// Called is when the first attempt began, Answered when the acknowledgement came. Only Linearize reads them.
	Called, Answered time.Time
	// Sets says that the event is the room's state that Reads read.
	Sets bool
}

// Read is one answer to the question for a room's state: the key of the event that had set it, "" for none.
type Read struct {
	Room, Reader, Key string
	Called, Answered  time.Time
}

// Seen is one event as a receiver got it from /sync, in the order of arrival.
type Seen struct {
	Receiver, Room, Key, EventID string
	At                           time.Time
}

// Stored is one event of the table.
type Stored struct {
	Room, Key, EventID string
	Position           int64
	// Shard, Owner and Epoch are the lease that it was written under.
	Shard        int
	Owner, Epoch int64
}

// History collects what happened. Its methods are safe for concurrent use.
type History struct {
	mu     sync.Mutex
	sent   []Sent
	seen   []Seen
	read   []Read
	stored []Stored
	member map[string][]string // receivers of a room that were in it throughout
}

// Sent records an attempt, once its outcome is known.
func (h *History) Sent(s Sent) { h.mu.Lock(); h.sent = append(h.sent, s); h.mu.Unlock() }

// Seen records what a receiver got.
func (h *History) Seen(s Seen) { h.mu.Lock(); h.seen = append(h.seen, s); h.mu.Unlock() }

// Read records what a reader was answered.
func (h *History) Read(r Read) { h.mu.Lock(); h.read = append(h.read, r); h.mu.Unlock() }

// Stored records the table's rows, read after the last message.
func (h *History) Stored(rows []Stored) {
	h.mu.Lock()
	h.stored = append(h.stored, rows...)
	h.mu.Unlock()
}

// Receiver says that receiver listens to room from before the first message to the end.
func (h *History) Receiver(receiver, room string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.member == nil {
		h.member = map[string][]string{}
	}
	h.member[room] = append(h.member[room], receiver)
}

// Outstanding counts the deliveries of acknowledged messages that have not happened yet.
func (h *History) Outstanding() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := make(map[[2]string]bool, len(h.seen))
	for _, s := range h.seen {
		got[[2]string{s.Receiver, s.EventID}] = true
	}
	n := 0
	for _, s := range h.sent {
		if s.EventID == "" {
			continue
		}
		for _, r := range h.member[s.Room] {
			if !got[[2]string{r, s.EventID}] {
				n++
			}
		}
	}
	return n
}

// Sends returns all attempts in the order in which their outcomes became known.
func (h *History) Sends() []Sent { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.sent) }

// Views returns all deliveries in the order of arrival.
func (h *History) Views() []Seen { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.seen) }

// Counts of what was recorded.
func (h *History) Counts() (sent, seen, stored int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sent), len(h.seen), len(h.stored)
}
