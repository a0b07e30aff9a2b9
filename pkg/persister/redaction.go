package persister

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/shard"
)

const typeRedaction = "m.room.redaction"

// A redaction is an m.room.redaction as it is asked for.
//
// Its target is read before the room's turn. That is early enough: an event never changes but by being redacted, and
// what redaction leaves does not depend on how often it was. The redaction and what it leaves of its target are written
// in one transaction, so that every redaction in the table has been applied.
type redaction struct {
	sender  id.UserID
	admin   bool            // the sender is an administrator of this server
	content json.RawMessage // canonical, without redacts
	target  *event.Event    // nil: the room has no such event
}

// redact serves "PUT /rooms/{roomId}/redact/{eventId}/{txnId}".
func (p *Persister) redact(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	var body struct {
		Reason *string `json:"reason"`
	}
	if err := mxhttp.ReadOptionalJSON(w, r, maxBody, &body); err != nil {
		return err
	}
	content := map[string]string{}
	if body.Reason != nil {
		content["reason"] = *body.Reason
	}
	raw, err := canonicaljson.Encode(content)
	if err != nil {
		return mxerr.BadJSON("reason: %v", err)
	}
	target := r.PathValue("eventId")
	return p.sendRedaction(w, r, c, room, "redact/"+target, target, raw)
}

// redactByContent serves the sending of an m.room.redaction like any other event: content names the target, in whatever
// room version.
func (p *Persister) redactByContent(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID, content json.RawMessage) error {
	raw, _ := canonicaljson.Get(content, "redacts")
	target, ok := canonicaljson.String(raw)
	if !ok {
		return mxerr.BadJSON("redacts is missing, or not a string")
	}
	fields := map[string]json.RawMessage{}
	for key, value := range canonicaljson.Members(content) {
		if k := canonicaljson.Key(key); k != "redacts" {
			fields[k] = value
		}
	}
	content, err := json.Marshal(fields)
	if err != nil {
		return mxerr.BadJSON("%v", err)
	}
	return p.sendRedaction(w, r, c, room, "send/"+typeRedaction, target, content)
}

func (p *Persister) sendRedaction(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID, path, target string,
	content json.RawMessage) error {
	txn := r.PathValue("txnId")
	if len(txn) > maxTxn {
		return mxerr.InvalidParam("The transaction ID is longer than %d bytes", maxTxn)
	}
	eventID, err := id.ParseEventID(target)
	if err != nil {
		return mxerr.InvalidParam("%v", err)
	}
	if !storable(txn) || !storable(target) {
		return unstorable()
	}
	if err := p.mine(r.Context(), p.opts.Leases.ShardOf(room)); err != nil {
		return err
	}
	x := redaction{sender: c.user, content: content}
	if x.target, x.admin, err = p.reader.target(r.Context(), room, eventID, c.user); err != nil {
		return err
	}
	size := len(content)
	if x.target != nil {
		size += len(x.target.JSON())
	}
	return p.answerEvent(w, r, c.write(room, "PUT", path, txn, size, x.decide))
}

// decide lets people redact their own events, those with the room's redact level all, and administrators of the server
// those of its users, which is everybody while there is no federation (client-server API, "PUT
// /rooms/{roomId}/redact/{eventId}/{txnId}"). A create event holds what the room is: it stays.
func (x redaction) decide(r *room) (decision, error) {
	if mine, _ := r.membership(x.sender); !r.exists() || mine != "join" {
		return decision{}, notIn()
	}
	switch {
	case x.target == nil:
		return decision{}, mxerr.NotFound("The room has no such event")
	case x.target.IsCreate():
		return decision{}, mxerr.Forbidden("The create event of a room cannot be redacted")
	case x.target.Sender() != x.sender && !x.admin && r.PowerLevels().User(x.sender) < r.PowerLevels().Redact:
		return decision{}, mxerr.Forbidden("Your power level is too low to redact the events of others")
	}
	redacted, err := event.Redacted(x.target)
	if err != nil {
		return decision{}, fmt.Errorf("redact %s: %w", x.target.ID(), err)
	}
	return decision{
		add:      []event.Proto{{Sender: x.sender, Type: typeRedaction, Content: x.content, Redacts: x.target.ID()}},
		redacted: redacted,
	}, nil
}

// redact puts what a redaction leaves of a state event in its place, if the room's state still has the event.
func (r *room) redact(left *event.Event) {
	key, isState := left.StateKey()
	if was := r.state.at(left.Type(), key); isState && was != nil && was.ID() == left.ID() {
		r.set(factOf(r.id, left))
	}
}

const sqlTarget = `SELECT r.version, e.json, coalesce(a.admin, false)
	FROM event e JOIN room r ON r.room_id = e.room_id LEFT JOIN account a ON a.user_id = $4
	WHERE e.slot = $1 AND e.room_id = $2 AND e.event_id = $3`

// target reads an event that is to be redacted, nil if the room has no such event, and whether the user is an
// administrator.
func (r reader) target(ctx context.Context, room id.RoomID, eventID id.EventID, user id.UserID) (ev *event.Event, admin bool, err error) {
	var version string
	var raw []byte
	err = r.pool.QueryRow(ctx, sqlTarget, shard.Slot(room), string(room), string(eventID), string(user)).Scan(&version, &raw, &admin)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the event to redact: %w", err)
	}
	v, ok := event.LookupVersion(version)
	if !ok {
		return nil, false, fmt.Errorf("read the event to redact: room version %q is not known to this build", version)
	}
	ev, err = event.Load(v, eventID, raw)
	return ev, admin, err
}
