package clientapi

import (
	"encoding/json"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// successorLevels returns the power levels of the new room: those of the old one, as integers, since levels in strings
// or with fractions are refused by later versions. Creators are not listed where the version forbids it. Where it gives
// them no power by itself, and the old room's did, the creators of that get as much as anything there asks for.
func (old *retiringRoom) successorLevels(v *event.Version, creators []id.UserID) map[string]any {
	fields := map[string]json.RawMessage{}
	if ev := old.state.Event(typeLevels, ""); ev != nil {
		fields = fieldsOf(ev)
	}
	content := map[string]any{}
	for key, value := range fields {
		if holds(v, value) {
			content[key] = value
		}
	}
	l := old.levels
	top := int64(creatorLevel)
	for key, level := range map[string]int64{
		"users_default": l.UsersDefault, "events_default": l.EventsDefault, "state_default": l.StateDefault,
		"ban": l.Ban, "kick": l.Kick, "redact": l.Redact, "invite": l.Invite,
	} {
		if _, set := fields[key]; set {
			content[key] = level
		}
		top = max(top, level)
	}
	events, users, notifications := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for evType := range levelsIn(fields["events"]) {
		events[evType] = l.RequiredFor(evType, true)
		top = max(top, events[evType])
	}
	for kind := range levelsIn(fields["notifications"]) {
		notifications[kind] = l.Notification(kind)
		top = max(top, notifications[kind])
	}
	for user := range levelsIn(fields["users"]) {
		if _, err := id.ParseUserID(user); err == nil {
			users[user] = l.User(id.UserID(user))
			top = max(top, users[user])
		}
	}
	switch {
	case v.PrivilegedCreators:
		for _, creator := range creators {
			delete(users, string(creator))
		}
		if events[typeTombstone] <= l.StateDefault {
			events[typeTombstone] = max(l.StateDefault+1, privilegedTombstone)
		}
	case old.Version.PrivilegedCreators:
		for _, creator := range eventauth.Creators(old.Version, old.state.Event(typeCreate, "")) {
			users[string(creator)] = top
		}
	case len(users) == 0 && len(fields) == 0:
		users[string(creators[0])] = top
	}
	content["events"], content["users"] = events, users
	if len(notifications) > 0 {
		content["notifications"] = notifications
	}
	return content
}

// levelsIn returns the entries of a map of levels, none if it is not one.
func levelsIn(raw json.RawMessage) map[string]json.RawMessage {
	entries := map[string]json.RawMessage{}
	_ = json.Unmarshal(raw, &entries)
	return entries
}
