// Package delivery judges what listeners got of the messages that a load sent: each message that was acknowledged exactly
// once, the messages of a room in the same order for everybody, and never one before another that was acknowledged before
// the first was sent. It knows nothing of the server but its answers.
package delivery

import (
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// maxSentences bounds how many violations are told of, of each sort; all are counted.
const maxSentences = 10

// A Tracker collects what happens. A message is a few dozen bytes. Its methods are safe for concurrent use.
type Tracker struct {
	mu        sync.Mutex
	base      time.Time
	messages  []message
	rooms     []room
	listeners int
	missing   int // deliveries of acknowledged messages that have not happened
	verdict   Verdict
}

// message is one that was sent. Times are nanoseconds since base; 0: not yet.
type message struct {
	room             int32
	at               int32 // its place in the room's order; -1: nobody got it yet
	got              int32 // by so many listeners
	called, answered int64
	due              int64
	event            uint64 // hash of the acknowledged event's id; 0: not acknowledged
	refused          bool
}

// room is the order of its messages, and how far each listener has come.
type room struct {
	order     []int32
	events    []uint64
	maxCalled int64
	places    []place // by listener
}

// place is how far a listener has come in a room: all before next, but for those that it was not shown.
type place struct {
	next    int
	skipped map[int]bool
}

// New returns a tracker of so many rooms and listeners, who are in all rooms from before the first message to the end.
func New(rooms, listeners int) *Tracker {
	t := &Tracker{base: time.Now(), rooms: make([]room, rooms), listeners: listeners}
	for i := range t.rooms {
		t.rooms[i].places = make([]place, listeners)
	}
	return t
}

// Send says that a message to a room that was due then is about to be sent, and returns its number.
func (t *Tracker) Send(room int, due time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages = append(t.messages, message{room: int32(room), at: -1, called: t.now(), due: due.Sub(t.base).Nanoseconds()})
	return len(t.messages) - 1
}

func (t *Tracker) now() int64 { return max(1, time.Since(t.base).Nanoseconds()) }

// Acknowledged says that the server took a message, as this event.
func (t *Tracker) Acknowledged(number int, event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := &t.messages[number]
	m.answered, m.event = t.now(), xxhash.Sum64String(event)
	t.missing += t.listeners - int(m.got)
	if m.at >= 0 {
		t.compare(number, t.rooms[m.room].events[m.at])
	}
}

// Refused says that the server refused a message: nobody may get it.
func (t *Tracker) Refused(number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages[number].refused = true
	if t.messages[number].at >= 0 {
		t.verdict.add(&t.verdict.Invented, "message %d was refused, and shown", number)
	}
}

// Seen says that a listener got a message, in its order of arrival. It returns when the message was due, and whether it is
// the listener's first time.
func (t *Tracker) Seen(listener, room, number int, event string) (due time.Time, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if number < 0 || number >= len(t.messages) || int(t.messages[number].room) != room || t.messages[number].refused {
		t.verdict.add(&t.verdict.Invented, "listener %d got a message %d in room %d, which was not sent there, or was refused", listener, number, room)
		return time.Time{}, false
	}
	m, r, id := &t.messages[number], &t.rooms[room], xxhash.Sum64String(event)
	if m.at < 0 {
		t.append(number, id)
	} else if r.events[m.at] != id {
		t.verdict.add(&t.verdict.Repeated, "message %d is two events, one of them %s", number, event)
		return time.Time{}, false
	}
	if !t.pass(listener, room, int(m.at), number) {
		return time.Time{}, false
	}
	m.got++
	if m.event != 0 {
		t.missing--
	}
	return t.base.Add(time.Duration(m.due)), true
}

// append puts a message at the end of its room's order: somebody got it first.
func (t *Tracker) append(number int, event uint64) {
	m := &t.messages[number]
	r := &t.rooms[m.room]
	m.at = int32(len(r.order))
	r.order, r.events = append(r.order, int32(number)), append(r.events, event)
	if m.answered != 0 && m.answered < r.maxCalled {
		t.verdict.add(&t.verdict.Reordered, "message %d came after one that was sent only once it was acknowledged", number)
	}
	r.maxCalled = max(r.maxCalled, m.called)
	t.compare(number, event)
}

// compare holds what was shown against what was acknowledged.
func (t *Tracker) compare(number int, event uint64) {
	if m := t.messages[number]; m.event != 0 && m.event != event {
		t.verdict.add(&t.verdict.Repeated, "message %d was acknowledged as one event and shown as another", number)
	}
}

// pass moves a listener to a place in its room's order, and reports whether it had not been there.
func (t *Tracker) pass(listener, room, at, number int) bool {
	p := &t.rooms[room].places[listener]
	switch {
	case at == p.next:
		p.next++
	case at > p.next:
		if p.skipped == nil {
			p.skipped = map[int]bool{}
		}
		for ; p.next < at; p.next++ {
			p.skipped[p.next] = true
		}
		p.next++
	case p.skipped[at]:
		delete(p.skipped, at)
		t.verdict.add(&t.verdict.Reordered, "listener %d got message %d later than others did", listener, number)
	default:
		t.verdict.add(&t.verdict.Repeated, "listener %d got message %d twice", listener, number)
		return false
	}
	return true
}

// Missing counts the deliveries of acknowledged messages that have not happened.
func (t *Tracker) Missing() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.missing
}

// Verdict judges what has happened so far: an acknowledged message that somebody has not got by now counts as lost.
func (t *Tracker) Verdict() Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.verdict.clone()
	for number, m := range t.messages {
		if m.event == 0 {
			continue
		}
		v.Acknowledged++
		v.Delivered += int(m.got)
		if left := t.listeners - int(m.got); left > 0 {
			v.add(&v.Lost, "message %d was acknowledged, and %d of %d listeners never got it", number, left, t.listeners)
		}
	}
	return v
}

func (v *Verdict) add(f *Fault, format string, args ...any) {
	f.Count++
	if len(f.Sentences) < maxSentences {
		f.Sentences = append(f.Sentences, fmt.Sprintf(format, args...))
	}
}
