package persister

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// CreateRoomPath is where a room's owner takes a new room: POST with a [CreateRoomRequest], sent to the owner of the
// slot of the new room's id. The identity is the creator's, its request id the deduplication key.
const CreateRoomPath = "/_myelin/internal/v1/createRoom"

// Bounds of a CreateRoomRequest.
const (
	MaxCreateRoomBytes  = 1 << 20
	MaxCreateRoomEvents = 150
)

// A CreateRoomRequest is a whole new room: all of its events are committed in one block, or none.
type CreateRoomRequest struct {
	// RoomVersion is a version of event.Versions.
	RoomVersion string `json:"room_version"`
	// Create is the create event, built and signed. It names the room, or the room's id derives from it.
	Create json.RawMessage `json:"create"`
	// Events follow it in this order, at most MaxCreateRoomEvents, all sent by the creator, whose join is the first.
	// Member events of the creator and of those invited carry their profiles already, and those invited are users of
	// this server.
	Events []InitialEvent `json:"events"`
}

// An InitialEvent is a state event that the owner builds.
type InitialEvent struct {
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// A CreateRoomResponse names the room. If the request is a repetition, that may be another room than the one of this
// request's create event: the room that the first one made.
type CreateRoomResponse struct {
	RoomID id.RoomID `json:"room_id"`
}

func (p *Persister) createRoom(w http.ResponseWriter, r *http.Request, c caller) error {
	var req CreateRoomRequest
	if err := mxhttp.ReadJSON(w, r, MaxCreateRoomBytes, &req); err != nil {
		return err
	}
	create, err := p.parseCreate(req, c.user)
	if err != nil {
		return err
	}
	protos := make([]event.Proto, 0, len(req.Events))
	size := len(req.Create)
	for _, e := range req.Events {
		if err := checkState(p.opts.ServerName, e.Type, e.StateKey, e.Content); err != nil {
			return err
		}
		protos = append(protos, event.Proto{Sender: c.user, Type: e.Type, StateKey: &e.StateKey, Content: e.Content})
		size += len(e.Content) + 512
	}
	room, err := p.write(r.Context(), c.write(create.RoomID(), "POST", CreateRoomPath, "", size, newRoomDecider(create, protos)))
	if err != nil {
		return err
	}
	// See replyTo. A worker of the first release wrote the create event's id, which the room's was made of.
	if hash, ok := strings.CutPrefix(string(room), "$"); ok {
		room = id.EventID("!" + hash)
	}
	mxhttp.WriteJSON(w, http.StatusOK, CreateRoomResponse{RoomID: id.RoomID(room)})
	return nil
}

func (p *Persister) parseCreate(req CreateRoomRequest, creator id.UserID) (*event.Event, error) {
	v, ok := event.LookupVersion(req.RoomVersion)
	if !ok {
		return nil, mxerr.UnsupportedRoomVersion(req.RoomVersion)
	}
	if len(req.Events) > MaxCreateRoomEvents {
		return nil, mxerr.InvalidParam("A room can have %d initial events, these are %d", MaxCreateRoomEvents, len(req.Events))
	}
	create, err := event.Parse(v, req.Create)
	if err != nil {
		return nil, mxerr.BadJSON("create: %v", err)
	}
	if !create.IsCreate() || create.Sender() != creator {
		return nil, mxerr.BadJSON("create is not a create event of the requesting user")
	}
	return create, nil
}

func newRoomDecider(create *event.Event, protos []event.Proto) decider {
	return func(r *room) (decision, error) {
		switch was := r.state.at("m.room.create", ""); {
		case was == nil:
		case was.ID() == create.ID():
			return decision{existing: replyTo(create)}, nil
		default:
			return decision{}, mxerr.RoomInUse("There is such a room already")
		}
		return decision{create: create, add: protos}, nil
	}
}

// roomRefusal says why the events given make no room.
func roomRefusal(err error) error {
	var rejection *eventauth.Rejection
	var field *event.FieldError
	var notCanonical *canonicaljson.Error
	switch {
	case errors.As(err, &rejection):
		return mxerr.InvalidRoomState("The initial state makes no room: %s", rejection.Reason)
	case errors.As(err, &field), errors.As(err, &notCanonical):
		return mxerr.InvalidRoomState("The initial state makes no room: %v", err)
	}
	return err
}
