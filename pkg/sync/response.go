package sync

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// A response is the body of an answer (client-server API, GET /sync, response 200).
type response struct {
	NextBatch              string         `json:"next_batch"`
	AccountData            events         `json:"account_data"`
	Presence               events         `json:"presence"`
	ToDevice               events         `json:"to_device"`
	DeviceLists            deviceLists    `json:"device_lists"`
	OneTimeKeysCount       map[string]int `json:"device_one_time_keys_count"`
	UnusedFallbackKeyTypes []string       `json:"device_unused_fallback_key_types"`
	Rooms                  responseRooms  `json:"rooms"`
}

type events struct {
	Events []json.RawMessage `json:"events"`
}

type deviceLists struct {
	Changed []id.UserID `json:"changed"`
	Left    []id.UserID `json:"left"`
}

type responseRooms struct {
	Join   map[id.RoomID]*joinedRoom  `json:"join"`
	Invite map[id.RoomID]*invitedRoom `json:"invite"`
	Knock  map[id.RoomID]*knockedRoom `json:"knock"`
	Leave  map[id.RoomID]*leftRoom    `json:"leave"`
}

type joinedRoom struct {
	Summary             *summary       `json:"summary,omitempty"`
	State               events         `json:"state"`
	Timeline            timeline       `json:"timeline"`
	Ephemeral           events         `json:"ephemeral"`
	AccountData         events         `json:"account_data"`
	UnreadNotifications map[string]int `json:"unread_notifications"`
}

type summary struct {
	Heroes  []id.UserID `json:"m.heroes,omitempty"`
	Joined  int         `json:"m.joined_member_count"`
	Invited int         `json:"m.invited_member_count"`
}

type timeline struct {
	events
	Limited   bool   `json:"limited"`
	PrevBatch string `json:"prev_batch"`
}

type invitedRoom struct {
	InviteState events `json:"invite_state"`
}

type knockedRoom struct {
	KnockState events `json:"knock_state"`
}

type leftRoom struct {
	State       events   `json:"state"`
	Timeline    timeline `json:"timeline"`
	AccountData events   `json:"account_data"`
}

func noEvents() events { return events{Events: []json.RawMessage{}} }

func emptyResponse(p position.Position) *response {
	return &response{
		NextBatch: p.SyncToken(), AccountData: noEvents(), Presence: noEvents(), ToDevice: noEvents(),
		DeviceLists:      deviceLists{Changed: []id.UserID{}, Left: []id.UserID{}},
		OneTimeKeysCount: map[string]int{}, UnusedFallbackKeyTypes: []string{},
		Rooms: responseRooms{
			Join: map[id.RoomID]*joinedRoom{}, Invite: map[id.RoomID]*invitedRoom{},
			Knock: map[id.RoomID]*knockedRoom{}, Leave: map[id.RoomID]*leftRoom{},
		},
	}
}

func (r *response) isEmpty() bool {
	return len(r.Rooms.Join)+len(r.Rooms.Invite)+len(r.Rooms.Knock)+len(r.Rooms.Leave)+len(r.AccountData.Events) == 0
}

// A renderer writes events as one device wants them.
type renderer struct {
	q   *request
	now int64
}

func newRenderer(q *request) renderer { return renderer{q: q, now: time.Now().UnixMilli()} }

func (x renderer) events(all []*entry) (events, error) {
	out := events{Events: make([]json.RawMessage, 0, len(all))}
	for _, e := range all {
		raw, err := e.render(x.q.who.UserID, x.q.who.DeviceID, x.now)
		if err != nil {
			return out, err
		}
		if raw, err = x.q.filter.project(raw); err != nil {
			return out, fmt.Errorf("leave fields out of event %s: %w", e.ID(), err)
		}
		out.Events = append(out.Events, raw)
	}
	return out, nil
}

func (x renderer) timeline(sel *selection) (timeline, error) {
	all, err := x.events(sel.timeline)
	return timeline{events: all, Limited: sel.limited, PrevBatch: (sel.start - 1).PageToken()}, err
}

func (x renderer) joined(sel *selection) (*joinedRoom, error) {
	room := &joinedRoom{
		Summary: sel.summary, Ephemeral: noEvents(), AccountData: noEvents(),
		UnreadNotifications: map[string]int{"highlight_count": 0, "notification_count": 0},
	}
	var err error
	if room.State, err = x.events(sel.state); err != nil {
		return nil, err
	}
	room.Timeline, err = x.timeline(sel)
	return room, err
}

func (x renderer) left(sel *selection) (*leftRoom, error) {
	room := &leftRoom{AccountData: noEvents()}
	var err error
	if room.State, err = x.events(sel.state); err != nil {
		return nil, err
	}
	room.Timeline, err = x.timeline(sel)
	return room, err
}

func (x renderer) stripped(state []*entry) events {
	all := noEvents()
	for _, e := range state {
		all.Events = append(all.Events, event.StrippedState(e.Event))
	}
	return all
}
