package clientapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/store"
)

const (
	typeCreate    = "m.room.create"
	typeLevels    = "m.room.power_levels"
	typeJoinRules = "m.room.join_rules"
	typeTombstone = "m.room.tombstone"
)

// upgradeRoom replaces a room by one of another version (client-server API, "Room Upgrades").
//
// Two owners write, each in one block: the new room comes to be whole, then the old one gets its tombstone. In between,
// and if the second step fails, there is a room more that nobody points to, which harms nobody; the other order could
// leave people with a tombstone that leads nowhere. Both writes carry the request's id: sent again, the request finds the
// new room that it made and the tombstone that it set, or goes on from where it was.
func (a *API) upgradeRoom(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	roomID, err := pathRoom(r)
	if err != nil {
		return err
	}
	var req upgradeRequest
	if err := mxhttp.ReadJSON(w, r, maxBody, &req); err != nil {
		return err
	}
	v, err := req.check()
	if err != nil {
		return err
	}
	old, err := a.retiring(r.Context(), roomID, who.UserID)
	if err != nil {
		return err
	}
	profiles, err := a.store.Profiles(r.Context(), []id.UserID{who.UserID})
	if err != nil {
		return err
	}
	creators := append([]id.UserID{who.UserID}, req.AdditionalCreators...)
	events, err := old.successors(v, creators, profiles[who.UserID])
	if err != nil {
		return err
	}
	room, newID, err := a.begin(v, who.UserID, old.successorContent(v, who.UserID, req.AdditionalCreators), events)
	if err != nil {
		return err
	}
	if newID, err = a.rooms.CreateRoom(r.Context(), newID, room); err != nil {
		return err
	}
	if err := a.rooms.RetireRoom(r.Context(), roomID, newID); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]id.RoomID{"replacement_room": newID})
	return nil
}

type upgradeRequest struct {
	NewVersion         *string     `json:"new_version"`
	AdditionalCreators []id.UserID `json:"additional_creators"`
}

// maxCreators bounds additional_creators; the size of an event would, too.
const maxCreators = 100

// check returns the new version. Additional creators are ignored where it has none.
func (req *upgradeRequest) check() (*event.Version, error) {
	if req.NewVersion == nil {
		return nil, mxerr.MissingParam("new_version is missing")
	}
	v, ok := event.LookupVersion(*req.NewVersion)
	if !ok {
		return nil, mxerr.UnsupportedRoomVersion(*req.NewVersion)
	}
	if !v.PrivilegedCreators {
		req.AdditionalCreators = nil
	}
	if len(req.AdditionalCreators) > maxCreators {
		return nil, mxerr.InvalidParam("At most %d additional creators are allowed", maxCreators)
	}
	for _, user := range req.AdditionalCreators {
		if _, err := id.ParseUserID(string(user)); err != nil {
			return nil, mxerr.InvalidParam("additional_creators: %v", err)
		}
	}
	return v, nil
}

// A retiringRoom is what an upgrade looks at in the old room.
type retiringRoom struct {
	store.Room
	state  eventauth.MapState // what can be transferred, create event and the user's membership
	levels *eventauth.PowerLevels
	last   id.EventID
}

// transferred are the types of state that go on in the new room, as the specification recommends, in the order in which
// they are set there. Power levels are last: until then the creator may do everything.
var transferred = []string{
	"m.room.server_acl", "m.room.encryption", "m.room.name", "m.room.avatar", "m.room.topic", "m.room.guest_access",
	typeVisibility, typeJoinRules, typeLevels,
}

// retiring reads the old room. The error is 403 M_FORBIDDEN unless the user may send its tombstone; the owner will look
// again.
func (a *API) retiring(ctx context.Context, roomID id.RoomID, user id.UserID) (*retiringRoom, error) {
	room, m, err := a.store.Room(ctx, roomID, user)
	if errors.Is(err, store.ErrNoRoom) || err == nil && m.Membership != membershipJoin {
		return nil, mxerr.Forbidden("You are not in this room")
	}
	if err != nil {
		return nil, err
	}
	events, err := a.store.State(ctx, room, store.StateFilter{
		Types: append([]string{typeCreate}, transferred...), StateKeys: []string{""},
	}, store.Now)
	if err != nil {
		return nil, err
	}
	old := &retiringRoom{Room: room, state: make(eventauth.MapState)}
	var levels store.Event
	for _, e := range events {
		old.state[eventauth.StateKeyTuple{Type: e.Type()}] = e.Event
		if e.Type() == typeLevels {
			levels = e
		}
	}
	old.levels = eventauth.LevelsOf(room.Version, old.state)
	if old.levels.User(user) < old.levels.RequiredFor(typeTombstone, true) {
		return nil, mxerr.Forbidden("Your power level is too low to upgrade this room")
	}
	if err := a.unquiet(ctx, old, levels); err != nil {
		return nil, err
	}
	last, err := a.store.EventsBackward(ctx, room, 0, store.Now, 1)
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		old.last = last[0].ID()
	}
	return old, nil
}

// unquiet gives a room whose power levels an upgrade has raised (see RoomOwners.RetireRoom) those from before: who
// upgrades it once more, perhaps since the first answer got lost, wants people to speak in the new room.
func (a *API) unquiet(ctx context.Context, old *retiringRoom, levels store.Event) error {
	before := levels.Position - 1 // an upgrade raises them in one block with the tombstone, right after it
	events, err := a.store.EventsBackward(ctx, old.Room, before-1, before, 1)
	if err != nil || len(events) == 0 || events[0].Type() != typeTombstone {
		return err
	}
	was, ok, err := a.store.StateEvent(ctx, old.Room, typeLevels, "", before)
	if err != nil || !ok {
		return err
	}
	old.state[eventauth.StateKeyTuple{Type: typeLevels}] = was.Event
	old.levels = eventauth.LevelsOf(old.Version, old.state)
	return nil
}

// successorContent returns the content of the new room's create event: it names the old room, and keeps its type and
// whether other servers may join.
func (old *retiringRoom) successorContent(v *event.Version, creator id.UserID, more []id.UserID) map[string]any {
	content := map[string]any{}
	was := fieldsOf(old.state.Event(typeCreate, ""))
	for _, key := range []string{"type", "m.federate"} {
		if value, ok := was[key]; ok {
			content[key] = value
		}
	}
	content["room_version"] = v.ID
	content["predecessor"] = map[string]any{"room_id": old.ID, "event_id": old.last}
	if v.CreatorInContent {
		content["creator"] = creator
	}
	if len(more) > 0 {
		content["additional_creators"] = more
	}
	return content
}

// successors lists what follows the new room's create event.
func (old *retiringRoom) successors(v *event.Version, creators []id.UserID, p store.Profile) ([]InitialEvent, error) {
	var l eventList
	l.member(creators[0], membershipJoin, p, false)
	for _, evType := range transferred {
		ev := old.state.Event(evType, "")
		switch {
		case evType == typeLevels:
			l.add(evType, "", old.successorLevels(v, creators))
		case ev == nil:
		case evType == typeJoinRules:
			l.add(evType, "", successorJoinRules(v, ev))
		case holds(v, ev.Content()):
			l.add(evType, "", ev.Content())
		}
	}
	return l.events, l.err
}

// successorJoinRules returns the join rules, closed to all who are not invited if the new version knows no such rule.
func successorJoinRules(v *event.Version, ev *event.Event) map[string]json.RawMessage {
	content := fieldsOf(ev)
	var rule string
	_ = json.Unmarshal(content["join_rule"], &rule)
	if rule == "knock" && !v.Knocking || rule == "restricted" && !v.RestrictedJoins ||
		rule == "knock_restricted" && !v.KnockRestricted {
		content["join_rule"] = json.RawMessage(`"invite"`)
		delete(content, "allow")
	}
	return content
}

// holds reports whether an event of the version can hold the JSON: not all have fractions.
func holds(v *event.Version, raw json.RawMessage) bool {
	_, err := canonicaljson.Canonicalize(raw)
	return err == nil || !v.StrictCanonicalJSON
}

func fieldsOf(ev *event.Event) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal(ev.Content(), &fields) // a canonical object
	return fields
}
