package sync

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

const (
	defaultLimit = 10
	maxLimit     = 100
	maxFilter    = 64 << 10 // bytes of an inline filter
)

// A filter says what of a sync a client wants (client-server API, "Filtering"). The zero filter wants everything.
type filter struct {
	EventFields []string    `json:"event_fields"`
	EventFormat string      `json:"event_format"`
	AccountData eventFilter `json:"account_data"`
	Room        roomFilter  `json:"room"`
}

type roomFilter struct {
	Rooms        *[]id.RoomID `json:"rooms"`
	NotRooms     []id.RoomID  `json:"not_rooms"`
	IncludeLeave bool         `json:"include_leave"`
	Timeline     eventFilter  `json:"timeline"`
	State        eventFilter  `json:"state"`
}

type eventFilter struct {
	Limit           *int         `json:"limit"`
	Types           *[]string    `json:"types"`
	NotTypes        []string     `json:"not_types"`
	Senders         *[]id.UserID `json:"senders"`
	NotSenders      []id.UserID  `json:"not_senders"`
	Rooms           *[]id.RoomID `json:"rooms"`
	NotRooms        []id.RoomID  `json:"not_rooms"`
	ContainsURL     *bool        `json:"contains_url"`
	LazyLoadMembers bool         `json:"lazy_load_members"`
}

func parseFilter(raw []byte) (*filter, error) {
	f := &filter{}
	if err := json.Unmarshal(raw, f); err != nil {
		return nil, mxerr.InvalidParam("filter is not a filter: %v", err)
	}
	switch f.EventFormat {
	case "", "client":
	case "federation":
		return nil, mxerr.InvalidParam("filter: event_format federation is not supported")
	default:
		return nil, mxerr.InvalidParam("filter: event_format must be client or federation")
	}
	if l := f.Room.Timeline.Limit; l != nil && *l < 0 {
		return nil, mxerr.InvalidParam("filter: room.timeline.limit is negative")
	}
	return f, nil
}

// limit is the greatest number of events of a room's timeline, in [0, maxLimit].
func (f *filter) limit() int {
	if f.Room.Timeline.Limit == nil {
		return defaultLimit
	}
	return min(*f.Room.Timeline.Limit, maxLimit)
}

func (f *roomFilter) wants(room id.RoomID) bool { return wanted(f.Rooms, f.NotRooms, room) }

func (f *eventFilter) wantsType(typ string) bool {
	matches := func(pattern string) bool { return event.MatchType(pattern, typ) }
	return (f.Types == nil || slices.ContainsFunc(*f.Types, matches)) && !slices.ContainsFunc(f.NotTypes, matches)
}

func (f *eventFilter) wants(e *entry, room id.RoomID) bool {
	return wanted(f.Rooms, f.NotRooms, room) && f.wantsType(e.Type()) && wanted(f.Senders, f.NotSenders, e.Sender()) &&
		(f.ContainsURL == nil || *f.ContainsURL == e.hasURL())
}

func wanted[T comparable](only *[]T, not []T, x T) bool {
	return (only == nil || slices.Contains(*only, x)) && !slices.Contains(not, x)
}

// project leaves of an event only the wanted fields, named by dotted paths with "\." for a dot.
func (f *filter) project(raw json.RawMessage) (json.RawMessage, error) {
	if f.EventFields == nil {
		return raw, nil
	}
	var full map[string]any
	if err := json.Unmarshal(raw, &full); err != nil {
		return nil, err
	}
	kept := map[string]any{}
	for _, field := range f.EventFields {
		keep(kept, full, splitPath(field))
	}
	return json.Marshal(kept)
}

func keep(kept, full map[string]any, path []string) {
	value, ok := full[path[0]]
	if !ok {
		return
	}
	if len(path) == 1 {
		kept[path[0]] = value
		return
	}
	inner, ok := value.(map[string]any)
	if !ok {
		return
	}
	sub, ok := kept[path[0]].(map[string]any)
	if !ok {
		sub = map[string]any{}
	}
	keep(sub, inner, path[1:])
	if len(sub) > 0 {
		kept[path[0]] = sub
	}
}

func splitPath(field string) []string {
	var path []string
	var part strings.Builder
	for i := 0; i < len(field); i++ {
		switch c := field[i]; {
		case c == '\\' && i+1 < len(field) && (field[i+1] == '.' || field[i+1] == '\\'):
			i++
			part.WriteByte(field[i])
		case c == '.':
			path = append(path, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(path, part.String())
}
