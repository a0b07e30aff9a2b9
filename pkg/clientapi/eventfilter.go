package clientapi

import (
	"encoding/json"
	"slices"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/store"
)

// An eventFilter is a RoomEventFilter (client-server API, "Filtering"). An absent list picks all, an empty one none.
type eventFilter struct {
	Limit                   *int         `json:"limit"`
	Types                   *[]string    `json:"types"`
	NotTypes                []string     `json:"not_types"`
	Senders                 *[]id.UserID `json:"senders"`
	NotSenders              []id.UserID  `json:"not_senders"`
	Rooms                   *[]id.RoomID `json:"rooms"`
	NotRooms                []id.RoomID  `json:"not_rooms"`
	ContainsURL             *bool        `json:"contains_url"`
	LazyLoadMembers         bool         `json:"lazy_load_members"`
	IncludeRedundantMembers bool         `json:"include_redundant_members"`
	UnreadThreads           bool         `json:"unread_thread_notifications"`
}

// maxFilterEntries bounds what every event is compared with.
const maxFilterEntries = 1000

func (f *eventFilter) check() error {
	if f == nil {
		return nil
	}
	if f.Limit != nil && *f.Limit < 0 {
		return mxerr.InvalidParam("The filter's limit is negative")
	}
	entries := len(f.NotTypes) + len(f.NotSenders) + len(f.NotRooms)
	if f.Types != nil {
		entries += len(*f.Types)
	}
	if f.Senders != nil {
		entries += len(*f.Senders)
	}
	if f.Rooms != nil {
		entries += len(*f.Rooms)
	}
	if entries > maxFilterEntries {
		return mxerr.InvalidParam("The filter has more than %d entries", maxFilterEntries)
	}
	return nil
}

// parseEventFilter reads the query parameter "filter"; "" picks all. Errors are 400 M_NOT_JSON and M_INVALID_PARAM.
func parseEventFilter(s string) (*eventFilter, error) {
	f := &eventFilter{}
	if s == "" {
		return f, nil
	}
	if len(s) > maxBody {
		return nil, mxerr.InvalidParam("The filter is longer than %d bytes", maxBody)
	}
	if !json.Valid([]byte(s)) {
		return nil, mxerr.NotJSON("The filter is not valid JSON")
	}
	if err := json.Unmarshal([]byte(s), f); err != nil {
		return nil, mxerr.InvalidParam("The filter is not a RoomEventFilter").WithCause(err)
	}
	return f, f.check()
}

func (f *eventFilter) wants(e store.Event) bool {
	if slices.Contains(f.NotSenders, e.Sender()) || slices.Contains(f.NotRooms, e.RoomID()) ||
		slices.ContainsFunc(f.NotTypes, func(p string) bool { return event.MatchType(p, e.Type()) }) {
		return false
	}
	if f.Senders != nil && !slices.Contains(*f.Senders, e.Sender()) {
		return false
	}
	if f.Rooms != nil && !slices.Contains(*f.Rooms, e.RoomID()) {
		return false
	}
	if f.Types != nil && !slices.ContainsFunc(*f.Types, func(p string) bool { return event.MatchType(p, e.Type()) }) {
		return false
	}
	if f.ContainsURL != nil {
		raw, _ := canonicaljson.Get(e.Content(), "url")
		if _, has := canonicaljson.String(raw); has != *f.ContainsURL {
			return false
		}
	}
	return true
}
