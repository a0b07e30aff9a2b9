package persister

import (
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A head is a forward extremity of a room: what the next event says of an event that it follows.
type head struct {
	event id.EventID
	depth int64
	hash  []byte // the event's reference hash, in versions that need it
}

func headOf(ev *event.Event) head { return head{ev.ID(), ev.Depth(), hashOf(ev)} }
