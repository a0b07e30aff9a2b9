package clientapi

import (
	"encoding/json"
	"slices"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/store"
)

// The presets of POST /createRoom.
const (
	presetPrivate = "private_chat"
	presetTrusted = "trusted_private_chat"
	presetPublic  = "public_chat"
)

// check refuses what this server cannot or must not do, before anything is built.
func (req *createRoomRequest) check(server id.ServerName, creator id.UserID) error {
	if req.version() == nil {
		return mxerr.UnsupportedRoomVersion(*req.RoomVersion)
	}
	if !slices.Contains([]string{"", "public", "private"}, req.Visibility) {
		return mxerr.InvalidParam(`"visibility" is public or private`)
	}
	if !slices.Contains([]string{"", presetPrivate, presetTrusted, presetPublic}, req.Preset) {
		return mxerr.InvalidParam(`"preset" is private_chat, trusted_private_chat or public_chat`)
	}
	if req.RoomAliasName != nil {
		return mxerr.InvalidParam("This server has no room aliases yet: leave out room_alias_name")
	}
	if len(req.Invite3PID) > 0 {
		return mxerr.InvalidParam("This server cannot invite by third-party identifiers: leave out invite_3pid")
	}
	if len(req.Invite) > maxInvites {
		return mxerr.InvalidParam("At most %d users can be invited to a new room", maxInvites)
	}
	for _, s := range req.Invite {
		user, err := id.ParseUserID(s)
		if err != nil {
			return mxerr.InvalidParam("invite: %v", err)
		}
		if user == creator {
			return mxerr.Forbidden("You cannot invite yourself")
		}
		if user.ServerName() != server {
			return mxerr.Forbidden("This server does not federate yet: %s cannot be invited", user)
		}
	}
	if len(req.InitialState) > maxInitialState {
		return mxerr.InvalidParam("At most %d events of initial state are allowed", maxInitialState)
	}
	for _, e := range req.InitialState {
		switch {
		case e.Type == nil || len(e.Content) == 0:
			return mxerr.MissingParam(`Every event of initial_state needs "type" and "content"`)
		case e.Content[0] != '{':
			return mxerr.BadJSON("initial_state: the content of %q is not an object", *e.Type)
		case *e.Type == "m.room.create":
			return mxerr.InvalidRoomState("initial_state cannot hold m.room.create: use creation_content")
		case !storable(*e.Type) || !storable(e.StateKey):
			return mxerr.BadJSON("initial_state: type or state_key contains NUL")
		}
	}
	return req.checkCreators()
}

// version returns the version of the new room, nil if it is not known.
func (req *createRoomRequest) version() *event.Version {
	if req.RoomVersion == nil {
		return event.DefaultVersion
	}
	v, _ := event.LookupVersion(*req.RoomVersion)
	return v
}

// checkCreators checks additional_creators, which means nothing in versions without privileged creators.
func (req *createRoomRequest) checkCreators() error {
	raw, ok := req.CreationContent["additional_creators"]
	if !ok || !req.version().PrivilegedCreators {
		return nil
	}
	var creators []string
	if err := json.Unmarshal(raw, &creators); err != nil || creators == nil {
		return mxerr.BadJSON("creation_content: additional_creators is not a list of user IDs")
	}
	for _, s := range creators {
		if _, err := id.ParseUserID(s); err != nil {
			return mxerr.InvalidRoomState("creation_content: additional_creators: %v", err)
		}
	}
	return nil
}

// preset returns the preset that applies.
func (req *createRoomRequest) preset() string {
	switch {
	case req.Preset != "":
		return req.Preset
	case req.Visibility == "public":
		return presetPublic
	}
	return presetPrivate
}

// invited returns those invited, each once.
func (req *createRoomRequest) invited() []id.UserID {
	users := make([]id.UserID, 0, len(req.Invite)+1)
	for _, s := range req.Invite {
		if user := id.UserID(s); !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	return users
}

// additionalCreators joins those named in the request with those invited.
func (req *createRoomRequest) additionalCreators() []string {
	var creators []string
	_ = json.Unmarshal(req.CreationContent["additional_creators"], &creators) // checked, or absent
	for _, s := range req.Invite {
		if !slices.Contains(creators, s) {
			creators = append(creators, s)
		}
	}
	return creators
}

// initialEvents lists what follows the create event, in the order that the specification sets.
func initialEvents(v *event.Version, creator id.UserID, req *createRoomRequest, profiles map[id.UserID]store.Profile) ([]InitialEvent, error) {
	var l eventList
	l.member(creator, membershipJoin, profiles[creator], false)
	l.add(typeLevels, "", powerLevels(v, creator, req))

	given := map[string]bool{} // types of initial_state with an empty state key
	for _, e := range req.InitialState {
		if e.StateKey == "" {
			given[*e.Type] = true
		}
	}
	for _, e := range presetEvents(req.preset()) {
		if !given[e.evType] {
			l.add(e.evType, "", map[string]string{e.key: e.value})
		}
	}
	for _, e := range req.InitialState {
		overwritten := e.StateKey == "" &&
			(*e.Type == "m.room.name" && req.Name != nil || *e.Type == "m.room.topic" && req.Topic != nil)
		if !overwritten {
			l.events = append(l.events, InitialEvent{Type: *e.Type, StateKey: e.StateKey, Content: e.Content})
		}
	}
	if req.Name != nil {
		l.add("m.room.name", "", map[string]string{"name": *req.Name})
	}
	if req.Topic != nil {
		l.add("m.room.topic", "", map[string]any{
			"topic":   *req.Topic,
			"m.topic": map[string]any{"m.text": []map[string]string{{"body": *req.Topic}}},
		})
	}
	for _, user := range req.invited() {
		l.member(user, membershipInvite, profiles[user], req.IsDirect)
	}
	return l.events, l.err
}

type presetEvent struct{ evType, key, value string }

func presetEvents(preset string) []presetEvent {
	joinRule, guests := "invite", "can_join"
	if preset == presetPublic {
		joinRule, guests = "public", "forbidden"
	}
	return []presetEvent{
		{"m.room.join_rules", "join_rule", joinRule},
		{typeVisibility, "history_visibility", visibilityShared},
		{"m.room.guest_access", "guest_access", guests},
	}
}

// Power levels of a new room.
const (
	// creatorLevel is the creator's, where creators are not above all levels.
	creatorLevel = 100
	// privilegedTombstone is what an upgrade requires where they are: the specification wants it above state_default.
	privilegedTombstone = 150
)

// powerLevels returns the default content under the client's own. Creators are listed unless the version gives them
// power by itself.
func powerLevels(v *event.Version, creator id.UserID, req *createRoomRequest) map[string]any {
	invite := 0
	if req.preset() == presetPublic {
		invite = 50
	}
	users, tombstone := map[id.UserID]int{}, privilegedTombstone
	if !v.PrivilegedCreators {
		users[creator], tombstone = creatorLevel, creatorLevel
		if req.preset() == presetTrusted {
			for _, user := range req.invited() {
				users[user] = creatorLevel
			}
		}
	}
	content := map[string]any{
		"users":          users,
		"users_default":  0,
		"events_default": 0,
		"state_default":  50,
		"ban":            50,
		"kick":           50,
		"redact":         50,
		"invite":         invite,
		"events": map[string]int{
			"m.room.name":               50,
			"m.room.avatar":             50,
			"m.room.canonical_alias":    50,
			typeLevels:                  100,
			"m.room.history_visibility": 100,
			"m.room.encryption":         100,
			"m.room.server_acl":         100,
			"m.room.tombstone":          tombstone,
		},
	}
	for k, raw := range req.PowerLevel {
		content[k] = raw
	}
	return content
}

// An eventList collects events; the first error stays.
type eventList struct {
	events []InitialEvent
	err    error
}

func (l *eventList) add(evType, key string, content any) {
	raw, err := json.Marshal(content)
	if err != nil && l.err == nil {
		l.err = mxerr.BadJSON("The content of %s is not valid", evType).WithCause(err)
	}
	l.events = append(l.events, InitialEvent{Type: evType, StateKey: key, Content: raw})
}

func (l *eventList) member(user id.UserID, membership string, p store.Profile, isDirect bool) {
	content := map[string]any{"membership": membership}
	for k, s := range profileFields(p) {
		content[k] = s
	}
	if isDirect {
		content["is_direct"] = true
	}
	l.add(typeMember, string(user), content)
}
