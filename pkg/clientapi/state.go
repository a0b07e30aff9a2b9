package clientapi

import (
	"encoding/json"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/store"
)

func (a *API) joinedRooms(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	rooms, err := a.store.RoomsOf(r.Context(), who.UserID, membershipJoin)
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"joined_rooms": rooms})
	return nil
}

// pathView returns what the user may read of the room in the path.
func (a *API) pathView(r *http.Request, who internalauth.Identity) (view, error) {
	roomID, err := pathRoom(r)
	if err != nil {
		return view{}, err
	}
	return a.view(r.Context(), roomID, who.UserID)
}

// state returns the room's state, for a user who has left as of then (client-server API, GET /rooms/{roomId}/state).
func (a *API) state(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	v, err := a.pathView(r, who)
	if err != nil {
		return err
	}
	events, err := a.store.State(r.Context(), v.room, store.StateFilter{}, v.upTo)
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, clientEvents(events, who))
	return nil
}

func (a *API) stateEvent(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	format, err := mxhttp.QueryEnum(r, "format", "content", "event")
	if err != nil {
		return err
	}
	v, err := a.pathView(r, who)
	if err != nil {
		return err
	}
	evType, key := r.PathValue("eventType"), r.PathValue("stateKey")
	var e store.Event
	ok := false
	if storable(evType) && storable(key) {
		if e, ok, err = a.store.StateEvent(r.Context(), v.room, evType, key, v.upTo); err != nil {
			return err
		}
	}
	if !ok {
		return mxerr.NotFound("The room has no such state")
	}
	if format == "event" {
		mxhttp.WriteRaw(w, http.StatusOK, clientEvent(e, who))
		return nil
	}
	mxhttp.WriteRaw(w, http.StatusOK, e.Content())
	return nil
}

// members returns the member events (client-server API, GET /rooms/{roomId}/members).
func (a *API) members(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	memberships := []string{membershipJoin, membershipInvite, "knock", "leave", "ban"}
	is, err := mxhttp.QueryEnum(r, "membership", memberships...)
	if err != nil {
		return err
	}
	isNot, err := mxhttp.QueryEnum(r, "not_membership", memberships...)
	if err != nil {
		return err
	}
	at, err := queryToken(r, "at", store.Now)
	if err != nil {
		return err
	}
	v, err := a.pathView(r, who)
	if err != nil {
		return err
	}
	all, err := a.store.State(r.Context(), v.room, store.StateFilter{Types: []string{typeMember}}, min(at, v.upTo))
	if err != nil {
		return err
	}
	chunk := all[:0]
	for _, e := range all {
		m := e.Membership()
		if is == "" && isNot == "" || is != "" && m == is || isNot != "" && m != isNot {
			chunk = append(chunk, e)
		}
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"chunk": clientEvents(chunk, who)})
	return nil
}

// joinedMembers is for members only (client-server API, GET /rooms/{roomId}/joined_members).
func (a *API) joinedMembers(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	v, err := a.pathView(r, who)
	if err != nil {
		return err
	}
	if !v.joined {
		return mxerr.Forbidden("You aren't a member of the room.")
	}
	all, err := a.store.State(r.Context(), v.room, store.StateFilter{Types: []string{typeMember}}, store.Now)
	if err != nil {
		return err
	}
	joined := map[string]map[string]string{}
	for _, e := range all {
		if e.Membership() != membershipJoin {
			continue
		}
		profile := map[string]string{}
		for from, to := range map[string]string{keyDisplayName: "display_name", keyAvatarURL: keyAvatarURL} {
			raw, _ := canonicaljson.Get(e.Content(), from)
			if s, ok := canonicaljson.String(raw); ok {
				profile[to] = s
			}
		}
		key, _ := e.StateKey()
		joined[key] = profile
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"joined": joined})
	return nil
}

// queryToken returns the position of the pagination or sync token in the query parameter name, or def when it is
// absent. The error is 400 M_INVALID_PARAM.
func queryToken(r *http.Request, name string, def position.Position) (position.Position, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return def, nil
	}
	p, err := position.ParsePageToken(s)
	if err != nil {
		return 0, mxerr.InvalidParam("Query parameter %q is not a token of this server", name)
	}
	return p, nil
}

// clientEvent returns the event as who gets it: with the transaction id where it is this device's own, and with its
// redaction.
func clientEvent(e store.Event, who internalauth.Identity) json.RawMessage {
	fields := map[string]any{}
	if e.TxnID != "" && e.Sender() == who.UserID && e.DeviceID == who.DeviceID {
		fields["transaction_id"] = e.TxnID
	}
	if e.RedactedBecause != nil {
		fields["redacted_because"] = json.RawMessage(event.ClientFormat(e.RedactedBecause, nil, true))
	}
	var unsigned json.RawMessage
	if len(fields) > 0 {
		unsigned, _ = json.Marshal(fields) // a string and an event always marshal
	}
	return event.ClientFormat(e.Event, unsigned, true)
}

func clientEvents(events []store.Event, who internalauth.Identity) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(events))
	for _, e := range events {
		out = append(out, clientEvent(e, who))
	}
	return out
}
