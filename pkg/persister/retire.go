package persister

import (
	"encoding/json"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// RetireRoomPath is where a room's owner takes that another room has replaced it: POST with a [RetireRoomRequest]. The
// identity is the user's who upgrades the room, its request id the deduplication key.
const RetireRoomPath = "/_myelin/internal/v1/retireRoom"

// A RetireRoomRequest asks for the tombstone of a room, and for power levels that keep people from writing and inviting
// there (client-server API, "Room Upgrades", steps 5 and 6).
type RetireRoomRequest struct {
	RoomID id.RoomID `json:"room_id"`
	// ReplacementRoom exists already: who follows the tombstone must find it.
	ReplacementRoom id.RoomID `json:"replacement_room"`
}

func (p *Persister) retireRoom(w http.ResponseWriter, r *http.Request, c caller) error {
	var req RetireRoomRequest
	if err := mxhttp.ReadJSON(w, r, maxBody, &req); err != nil {
		return err
	}
	for _, room := range []id.RoomID{req.RoomID, req.ReplacementRoom} {
		if _, err := id.ParseRoomID(string(room)); err != nil {
			return mxerr.BadJSON("%v", err)
		}
	}
	return p.answerEvent(w, r, c.write(req.RoomID, "POST", "retire", "", 0, retire(c.user, req.ReplacementRoom)))
}

func retire(sender id.UserID, replacement id.RoomID) decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, notIn()
		}
		content, err := canonicaljson.Encode(map[string]any{"body": "This room has been replaced", "replacement_room": replacement})
		if err != nil {
			return decision{}, err
		}
		d := decision{add: []event.Proto{{Sender: sender, Type: "m.room.tombstone", StateKey: new(string), Content: content}}}
		if levels := quietLevels(r); levels != nil {
			d.attempt = []event.Proto{{Sender: sender, Type: "m.room.power_levels", StateKey: new(string), Content: levels}}
		}
		return d, nil
	}
}

// quietLevels returns the room's power levels with as much more asked of those who send and invite as the specification
// suggests, nil if that changes nothing or the room has none.
func quietLevels(r *room) json.RawMessage {
	is := r.state.at("m.room.power_levels", "")
	if is == nil {
		return nil
	}
	content := make(map[string]json.RawMessage)
	for key, value := range canonicaljson.Members(is.Content()) {
		content[canonicaljson.Key(key)] = value
	}
	levels := r.PowerLevels()
	quiet := max(50, levels.UsersDefault+1)
	if levels.EventsDefault >= quiet && levels.Invite >= quiet {
		return nil
	}
	content["events_default"] = canonicaljson.AppendInt(nil, max(levels.EventsDefault, quiet))
	content["invite"] = canonicaljson.AppendInt(nil, max(levels.Invite, quiet))
	raw, err := json.Marshal(content)
	if err != nil {
		return nil // no levels that a room has do not marshal
	}
	return raw
}
