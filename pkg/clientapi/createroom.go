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
	"github.com/myelin-hs/myelin/pkg/store"
)

// A RoomCreator brings a new room to its owner, who writes all of it in one block, or nothing.
type RoomCreator interface {
	// CreateRoom sends the room to the owner of the slot of roomID. The identity in ctx is the creator's, its request id
	// deduplicates: a request sent again gets the room that the first one made, which may be another than roomID. Errors
	// that carry an *mxerr.Error are the owner's refusals.
	CreateRoom(ctx context.Context, roomID id.RoomID, room NewRoom) (id.RoomID, error)
}

// A NewRoom is all that a room begins with.
type NewRoom struct {
	RoomVersion string `json:"room_version"`
	// Create is the create event, built and signed; the id of the room derives from it.
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
	room, roomID, err := a.planRoom(who.UserID, &req, profiles)
	if err != nil {
		return err
	}
	if roomID, err = a.rooms.CreateRoom(r.Context(), roomID, room); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]id.RoomID{"room_id": roomID})
	return nil
}

// planRoom builds the create event and lists what follows it.
func (a *API) planRoom(creator id.UserID, req *createRoomRequest, profiles map[id.UserID]store.Profile) (NewRoom, id.RoomID, error) {
	v := event.DefaultVersion
	content, err := json.Marshal(createContent(v, req))
	if err != nil {
		return NewRoom{}, "", mxerr.BadJSON("creation_content is not valid").WithCause(err)
	}
	noKey := ""
	create, err := event.Build(v, event.Proto{
		Sender: creator, Type: "m.room.create", StateKey: &noKey, Content: content, Depth: 1,
		OriginServerTS: a.now().UnixMilli(),
	}, a.signer)
	if err != nil {
		return NewRoom{}, "", createRefusal(err)
	}
	events, err := initialEvents(creator, req, profiles)
	if err != nil {
		return NewRoom{}, "", err
	}
	if len(events) > maxInitialEvents {
		return NewRoom{}, "", mxerr.InvalidParam("A room can begin with %d events, these are %d", maxInitialEvents, len(events))
	}
	return NewRoom{RoomVersion: v.ID, Create: create.JSON(), Events: events}, create.RoomID(), nil
}

// createContent returns the content of the create event.
func createContent(v *event.Version, req *createRoomRequest) map[string]any {
	content := map[string]any{}
	for k, raw := range req.CreationContent {
		content[k] = raw
	}
	delete(content, "creator") // since room version 11 the sender says it
	content["room_version"] = v.ID
	if v.RoomIDFromCreate {
		// Two rooms that the user makes within one millisecond would otherwise be the same event, and so the same room.
		content["dev.myelin.nonce"] = rand.Text()
	}
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
