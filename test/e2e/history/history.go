// Package history judges what clients saw of a homeserver against what it stored: no acknowledged message may be lost,
// none may appear twice, none out of order. It is O(n) and knows nothing of how the history came to be.
package history

import (
	"fmt"
	"sort"
	"sync"
)

// Sent is one message that a client tried to send. Its key, which the message carries in its content, is unique.
type Sent struct {
	Room, Sender, Key string
	Seq               int    // grows by one for each message of this sender in this room; it sends one after the other
	EventID           string // what the server answered; "" when it did not acknowledge
}

// Seen is one message as a receiver got it from /sync, in the order of arrival.
type Seen struct {
	Receiver, Room, Key, EventID string
}

// Stored is one message of the table.
type Stored struct {
	Room, Key, EventID string
	Position           int64
}

// History collects what happened. Its methods are safe for concurrent use.
type History struct {
	mu     sync.Mutex
	sent   []Sent
	seen   []Seen
	stored []Stored
	member map[string][]string // receivers of a room that were in it throughout
}

// Sent records an attempt, once its outcome is known.
func (h *History) Sent(s Sent) { h.mu.Lock(); h.sent = append(h.sent, s); h.mu.Unlock() }

// Seen records what a receiver got.
func (h *History) Seen(s Seen) { h.mu.Lock(); h.seen = append(h.seen, s); h.mu.Unlock() }

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

// Counts of what was recorded.
func (h *History) Counts() (sent, seen, stored int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sent), len(h.seen), len(h.stored)
}

// Verdict lists the violations, each as a sentence.
type Verdict struct {
	Lost, Duplicated, Reordered []string
}

// OK reports whether there is no violation.
func (v Verdict) OK() bool { return len(v.Lost)+len(v.Duplicated)+len(v.Reordered) == 0 }

// Check judges the history.
func (h *History) Check() Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	var v Verdict
	table := h.checkTable(&v)
	h.checkSent(&v, table)
	h.checkSeen(&v, table)
	return v
}

// checkTable finds keys that were stored twice, and returns the table by event id.
func (h *History) checkTable(v *Verdict) map[string]Stored {
	byID, byKey := make(map[string]Stored, len(h.stored)), make(map[string]string, len(h.stored))
	for _, row := range h.stored {
		if first, twice := byKey[row.Key]; twice {
			v.Duplicated = append(v.Duplicated, fmt.Sprintf("%s is stored twice, as %s and %s", row.Key, first, row.EventID))
		}
		byKey[row.Key], byID[row.EventID] = row.EventID, row
	}
	return byID
}

// checkSent finds acknowledged messages that are not stored, and senders whose messages are stored in another order
// than they were acknowledged.
func (h *History) checkSent(v *Verdict, table map[string]Stored) {
	type chain struct{ room, sender string }
	chains := map[chain][]Sent{}
	for _, s := range h.sent {
		if s.EventID == "" {
			continue
		}
		if row, ok := table[s.EventID]; !ok || row.Key != s.Key {
			v.Lost = append(v.Lost, fmt.Sprintf("%s was acknowledged as %s, which is not stored", s.Key, s.EventID))
			continue
		}
		c := chain{s.Room, s.Sender}
		chains[c] = append(chains[c], s)
	}
	for c, sent := range chains {
		sort.Slice(sent, func(i, j int) bool { return sent[i].Seq < sent[j].Seq })
		for i := 1; i < len(sent); i++ {
			if table[sent[i-1].EventID].Position >= table[sent[i].EventID].Position {
				v.Reordered = append(v.Reordered, fmt.Sprintf("%s in %s: %s is stored after %s", c.sender, c.room, sent[i-1].Key, sent[i].Key))
			}
		}
	}
}

// checkSeen compares each receiver's view of each room with the table.
func (h *History) checkSeen(v *Verdict, table map[string]Stored) {
	type view struct{ receiver, room string }
	got := map[view]map[string]bool{}
	last := map[view]Stored{}
	for _, s := range h.seen {
		w := view{s.Receiver, s.Room}
		row, stored := table[s.EventID]
		if !stored {
			v.Lost = append(v.Lost, fmt.Sprintf("%s got %s (%s), which is not stored", s.Receiver, s.EventID, s.Key))
			continue
		}
		if got[w] == nil {
			got[w] = map[string]bool{}
		}
		if got[w][s.EventID] {
			v.Duplicated = append(v.Duplicated, fmt.Sprintf("%s got %s (%s) twice", s.Receiver, s.EventID, s.Key))
			continue
		}
		got[w][s.EventID] = true
		if before, any := last[w]; any && before.Position >= row.Position {
			v.Reordered = append(v.Reordered, fmt.Sprintf("%s got %s before %s in %s", s.Receiver, before.Key, row.Key, s.Room))
		}
		last[w] = row
	}
	for _, row := range h.stored {
		for _, r := range h.member[row.Room] {
			if !got[view{r, row.Room}][row.EventID] {
				v.Lost = append(v.Lost, fmt.Sprintf("%s never got %s (%s) of %s", r, row.EventID, row.Key, row.Room))
			}
		}
	}
}
