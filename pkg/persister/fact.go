package persister

import (
	"bytes"
	"encoding/json"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A fact is what is remembered of an event of a room's state: what the rules and the deciders read of it, which is a
// fifth of the event. It is an [eventauth.Fact] and does not change.
type fact struct {
	room id.RoomID // shared by all facts of the room
	// text is, one after the other: the event's id, its type, its state key, its sender unless that is the state key, and its
	// reference hash in versions that need it. ends are where the first four end. So they are one allocation.
	text    string
	ends    [4]uint16
	content json.RawMessage
}

// newFact copies what it is given, but for room.
func newFact(room id.RoomID, eventID id.EventID, place eventauth.StateKeyTuple, sender id.UserID, hash []byte, content json.RawMessage) *fact {
	if string(sender) == place.StateKey {
		sender = ""
	}
	f := &fact{room: room, content: bytes.Clone(content)}
	f.text = string(eventID) + place.Type + place.StateKey + string(sender) + string(hash)
	end := 0
	for i, part := range []int{len(eventID), len(place.Type), len(place.StateKey), len(sender)} {
		end += part
		f.ends[i] = uint16(end) // of four times event.MaxField
	}
	return f
}

// factOf is what to remember of a state event of the room.
func factOf(room id.RoomID, ev *event.Event) *fact {
	key, _ := ev.StateKey()
	return newFact(room, ev.ID(), eventauth.StateKeyTuple{Type: ev.Type(), StateKey: key}, ev.Sender(), hashOf(ev), ev.Content())
}

// hashOf returns the reference hash of an event where others that name it need it, else nil.
func hashOf(ev *event.Event) []byte {
	if !ev.Version().EventIDInEvent {
		return nil
	}
	return event.ReferenceHash(ev)
}

func (f *fact) ID() id.EventID { return id.EventID(f.text[:f.ends[0]]) }

func (f *fact) RoomID() id.RoomID { return f.room }

func (f *fact) Sender() id.UserID {
	if f.ends[2] == f.ends[3] {
		return id.UserID(f.place().StateKey)
	}
	return id.UserID(f.text[f.ends[2]:f.ends[3]])
}

func (f *fact) Content() json.RawMessage { return f.content }

func (f *fact) Membership() string {
	if f.place().Type != "m.room.member" {
		return ""
	}
	return event.MembershipIn(f.content)
}

// place is where in the state the fact stands.
func (f *fact) place() eventauth.StateKeyTuple {
	return eventauth.StateKeyTuple{Type: f.text[f.ends[0]:f.ends[1]], StateKey: f.text[f.ends[1]:f.ends[2]]}
}

// hash is the event's reference hash, empty where nothing needs it.
func (f *fact) hash() []byte { return []byte(f.text[f.ends[3]:]) }

// bytes is about what the fact takes of the heap, its place among the facts of a room included. Power levels are there
// once more, parsed.
func (f *fact) bytes() int {
	n := 64 + allocated(len(f.text)) + allocated(len(f.content)) + 8
	if f.place().Type == "m.room.power_levels" {
		n += 2 * len(f.content)
	}
	return n
}

// allocated is about what so many bytes take of the heap, which has them in few sizes only.
func allocated(n int) int { return n + n/16 + 8 }
