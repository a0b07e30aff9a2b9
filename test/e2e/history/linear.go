package history

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// Linearization is porcupine's judgement of a history.
type Linearization struct {
	// OK: some order of the operations explains every answer. Unknown: none was found in the time given, and neither was
	// it shown that there is none.
	OK, Unknown bool

	info porcupine.LinearizationInfo
}

// Draw writes a picture of the history, an HTML page, with what could be explained and where that ends.
func (l Linearization) Draw(path string) error { return porcupine.VisualizePath(model, l.info, path) }

// An operation is a write at its position in the table, or a read of what was set last.
type operation struct {
	room, key string
	position  int64 // 0 for a read
	sets      bool
}

// contents is a room as the operations see it: where its newest event is, and which event set its state.
type contents struct {
	position int64
	set      string
}

// model is a room: writes take effect in the order of their positions, reads answer the newest that set the state.
var model = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		rooms := map[string]int{}
		var parts [][]porcupine.Operation
		for _, o := range all {
			room := o.Input.(operation).room
			i, known := rooms[room]
			if !known {
				i = len(parts)
				rooms[room], parts = i, append(parts, nil)
			}
			parts[i] = append(parts[i], o)
		}
		return parts
	},
	Init: func() any { return contents{} },
	Step: func(state, input, _ any) (bool, any) {
		s, o := state.(contents), input.(operation)
		if o.position == 0 {
			return s.set == o.key, s
		}
		if o.position <= s.position {
			return false, s
		}
		s.position = o.position
		if o.sets {
			s.set = o.key
		}
		return true, s
	},
	DescribeOperation: func(input, _ any) string {
		switch o := input.(operation); {
		case o.position == 0:
			return fmt.Sprintf("read %q", o.key)
		case o.sets:
			return fmt.Sprintf("set %q at %d", o.key, o.position)
		default:
			return fmt.Sprintf("send %q at %d", o.key, o.position)
		}
	},
	DescribeState: func(state any) string {
		s := state.(contents)
		return fmt.Sprintf("%q, newest %d", s.set, s.position)
	},
}

// Linearize asks whether writes and reads took effect one after the other, each between call and answer, in the order of
// the table. A write without an answer that is in the table may have taken effect at any time after its call; one that is
// not in the table never did.
func (h *History) Linearize(limit time.Duration) Linearization {
	h.mu.Lock()
	defer h.mu.Unlock()
	positions := make(map[string]int64, len(h.stored))
	for _, row := range h.stored {
		positions[row.Key] = row.Position
	}
	clients := map[string]int{}
	client := func(name string) int {
		if _, known := clients[name]; !known {
			clients[name] = len(clients)
		}
		return clients[name]
	}
	var all []porcupine.Operation
	for _, s := range h.sent {
		position, stored := positions[s.Key]
		if !stored {
			continue
		}
		end := int64(math.MaxInt64)
		if s.EventID != "" {
			end = s.Answered.UnixNano()
		}
		all = append(all, porcupine.Operation{
			ClientId: client(s.Sender), Call: s.Called.UnixNano(), Return: end,
			Input: operation{room: s.Room, key: s.Key, position: position, sets: s.Sets},
		})
	}
	for _, r := range h.read {
		all = append(all, porcupine.Operation{
			ClientId: client(r.Reader), Call: r.Called.UnixNano(), Return: r.Answered.UnixNano(),
			Input: operation{room: r.Room, key: r.Key},
		})
	}
	result, info := porcupine.CheckOperationsVerbose(model, all, limit)
	return Linearization{OK: result == porcupine.Ok, Unknown: result == porcupine.Unknown, info: info}
}
