package persister

import (
	"bytes"
	"encoding/json"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// notIn is the refusal of those who have no business in a room, whether it exists or not.
func notIn() error { return mxerr.Forbidden("You are not in this room") }

// sendEvent decides on a message event (client-server API, "PUT /rooms/{roomId}/send/{eventType}/{txnId}").
func sendEvent(sender id.UserID, evType string, content json.RawMessage) decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, notIn()
		}
		return decision{add: []event.Proto{{Sender: sender, Type: evType, Content: content}}}, nil
	}
}

// setState decides on a state event ("PUT /rooms/{roomId}/state/{eventType}/{stateKey}"). A change that changes nothing
// is answered with the event that is there. content is canonical.
func setState(sender id.UserID, evType, stateKey string, content json.RawMessage) decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, notIn()
		}
		if evType == "m.room.member" && r.vouches(stateKey, content) {
			return decision{}, mxerr.Forbidden("Who vouches for a join is for the server to say: join by /join")
		}
		if mine, _ := r.membership(sender); mine == "join" {
			if same := r.state.at(evType, stateKey); same != nil && same.Sender() == sender && bytes.Equal(same.Content(), content) {
				return decision{existing: same.ID()}, nil
			}
		}
		return decision{add: []event.Proto{{Sender: sender, Type: evType, StateKey: &stateKey, Content: content}}}, nil
	}
}

// vouches reports whether content, of a member event, makes somebody join who is neither in the room nor invited, by
// the word of another user: this server's signature would make it true. Those who are in may repeat what they joined by.
func (r *room) vouches(user string, content json.RawMessage) bool {
	_, named := canonicaljson.Get(content, "join_authorised_via_users_server")
	is, _ := r.membership(id.UserID(user))
	return named && is != "join" && is != "invite"
}

// checkState refuses state that no client may set, in whatever room.
func checkState(server id.ServerName, evType, stateKey string, content json.RawMessage) error {
	switch evType {
	case "m.room.create":
		return mxerr.Forbidden("A room is created once")
	case typeRedaction:
		return mxerr.Forbidden("A redaction is no state")
	case "m.room.member":
		user, err := id.ParseUserID(stateKey)
		if err != nil {
			return mxerr.BadJSON("The state key of m.room.member is not a user ID: %v", err)
		}
		raw, _ := canonicaljson.Get(content, "membership")
		if membership, _ := canonicaljson.String(raw); membership == "invite" {
			return checkLocal(server, user)
		}
	}
	return nil
}

// checkLocal refuses users of other servers, who cannot be invited while there is no federation.
func checkLocal(server id.ServerName, user id.UserID) error {
	if user.ServerName() != server {
		return mxerr.Unknown(400, "%s is a user of another server: this server does not federate yet", user)
	}
	return nil
}
