package clientapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// RoomOwners brings what the client role decides about rooms to their owners. The identity in ctx is the user's; its
// request id deduplicates. Errors that carry an *mxerr.Error are the owner's refusals.
type RoomOwners interface {
	// CreateRoom sends the room to the owner of the slot of roomID, who writes all of it in one block, or nothing. A
	// request sent again gets the room that the first one made, which may be another than roomID.
	CreateRoom(ctx context.Context, roomID id.RoomID, room NewRoom) (id.RoomID, error)
	// RetireRoom sets the room's tombstone, which names its replacement, and makes the room as quiet as the user may.
	RetireRoom(ctx context.Context, roomID, replacement id.RoomID) error
}

// A NewRoom is all that a room begins with.
type NewRoom struct {
	RoomVersion string `json:"room_version"`
	// Create is the create event, built and signed. It names the room, or the id of the room derives from it.
	Create json.RawMessage `json:"create"`
	// Events follow it in this order, all sent by the creator, whose join is the first.
	Events []InitialEvent `json:"events"`
}

// An InitialEvent is a state event that the owner builds.
type InitialEvent struct {
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

const (
	maxCreateRoomBody = 512 << 10 // bytes; the owner takes 1 MiB
	maxInvites        = 100
	maxInitialState   = 100
	// maxInitialEvents is what the owner takes.
	maxInitialEvents = 150
)

type createRoomRequest struct {
	Visibility      string                     `json:"visibility"`
	RoomAliasName   *string                    `json:"room_alias_name"`
	Name            *string                    `json:"name"`
	Topic           *string                    `json:"topic"`
	Invite          []string                   `json:"invite"`
	Invite3PID      []json.RawMessage          `json:"invite_3pid"`
	RoomVersion     *string                    `json:"room_version"`
	CreationContent map[string]json.RawMessage `json:"creation_content"`
	InitialState    []struct {
		Type     *string         `json:"type"`
		StateKey string          `json:"state_key"`
		Content  json.RawMessage `json:"content"`
	} `json:"initial_state"`
	Preset     string                     `json:"preset"`
	IsDirect   bool                       `json:"is_direct"`
	PowerLevel map[string]json.RawMessage `json:"power_level_content_override"`
}

// createRoom makes a room (client-server API, POST /createRoom).
func (a *API) createRoom(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	var req createRoomRequest
	if err := mxhttp.ReadJSON(w, r, maxCreateRoomBody, &req); err != nil {
		return err
	}
	if err := req.check(a.server, who.UserID); err != nil {
		return err
	}
	invited := req.invited()
	profiles, err := a.store.Profiles(r.Context(), append(invited, who.UserID))
	if err != nil {
		return err
	}
	for _, user := range invited {
		if _, ok := profiles[user]; !ok {
			return mxerr.NotFound("There is no user %s", user)
		}
	}
	v := req.version()
	events, err := initialEvents(v, who.UserID, &req, profiles)
	if err != nil {
		return err
	}
	room, roomID, err := a.begin(v, who.UserID, createContent(v, who.UserID, &req), events)
	if err != nil {
		return err
	}
	if roomID, err = a.rooms.CreateRoom(r.Context(), roomID, room); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]id.RoomID{"room_id": roomID})
	return nil
}

// begin builds the create event of a room with this content, which events follow, and returns the room's id.
func (a *API) begin(v *event.Version, creator id.UserID, content map[string]any, events []InitialEvent) (NewRoom, id.RoomID, error) {
	if len(events) > maxInitialEvents {
		return NewRoom{}, "", mxerr.InvalidParam("A room can begin with %d events, these are %d", maxInitialEvents, len(events))
	}
	noKey := ""
	p := event.Proto{
		Sender: creator, Type: "m.room.create", StateKey: &noKey, Depth: 1, OriginServerTS: a.now().UnixMilli(),
	}
	if v.RoomIDFromCreate {
		// Two rooms that the user makes within one millisecond would otherwise be the same event, and so the same room.
		content["dev.myelin.nonce"] = rand.Text()
	} else {
		p.RoomID = newRoomID(a.server)
	}
	var err error
	if p.Content, err = json.Marshal(content); err != nil {
		return NewRoom{}, "", mxerr.BadJSON("creation_content is not valid").WithCause(err)
	}
	create, err := event.Build(v, p, a.signer)
	if err != nil {
		return NewRoom{}, "", createRefusal(err)
	}
	return NewRoom{RoomVersion: v.ID, Create: create.JSON(), Events: events}, create.RoomID(), nil
}

// newRoomID makes up the id of a room whose version does not derive it from the create event (appendices, "Room IDs").
func newRoomID(server id.ServerName) id.RoomID {
	return id.RoomID("!" + rand.Text()[:opaqueRoomID] + ":" + string(server))
}

// opaqueRoomID is the length of the random part of a room id: 90 bits.
const opaqueRoomID = 18

// createContent returns the content of the create event.
func createContent(v *event.Version, creator id.UserID, req *createRoomRequest) map[string]any {
	content := map[string]any{}
	for k, raw := range req.CreationContent {
		content[k] = raw
	}
	delete(content, "creator") // the server's to say, and since room version 11 the sender says it
	if v.CreatorInContent {
		content["creator"] = creator
	}
	content["room_version"] = v.ID
	if v.PrivilegedCreators && req.preset() == presetTrusted {
		if more := req.additionalCreators(); len(more) > 0 {
			content["additional_creators"] = more
		}
	}
	return content
}

// createRefusal says why creation_content makes no create event.
func createRefusal(err error) error {
	if errors.Is(err, event.ErrTooLarge) {
		return mxerr.TooLarge("creation_content is too large")
	}
	if errors.As(err, new(*event.FieldError)) || errors.As(err, new(*canonicaljson.Error)) {
		return mxerr.BadJSON("creation_content: %v", err)
	}
	return err
}
