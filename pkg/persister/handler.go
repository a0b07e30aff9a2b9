package persister

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/route"
)

const (
	maxBody = event.MaxSize // of a request about one event
	maxTxn  = 255           // bytes of a transaction id
)

// A caller is who makes a request.
type caller struct {
	user    id.UserID
	device  id.DeviceID
	request string // its id, the same each time it is sent again
}

// A roomHandler answers a request about a room.
type roomHandler func(http.ResponseWriter, *http.Request, caller, id.RoomID) error

// Handler serves the writes of rooms of the client-server API, under r0 and v3: send, state and redact; join, invite, leave,
// kick, ban and unban of /rooms/{roomId}; /join/{roomIdOrAlias} and
// /knock/{roomIdOrAlias}; [CreateRoomPath], [RetireRoomPath] and [CopiesPath]. The identity is in the request's
// context (internalauth). Who does not own the room's shard answers 421 with the headers of package route.
func (p *Persister) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, version := range []string{"r0", "v3"} {
		prefix := "/_matrix/client/" + version
		rooms := prefix + "/rooms/{roomId}/"
		mux.Handle("PUT "+rooms+"send/{eventType}/{txnId}", p.room(p.send))
		mux.Handle("PUT "+rooms+"state/{eventType}", p.room(p.state))
		mux.Handle("PUT "+rooms+"state/{eventType}/{stateKey...}", p.room(p.state))
		mux.Handle("PUT "+rooms+"redact/{eventId}/{txnId}", p.room(p.redact))
		mux.Handle("POST "+rooms+"join", p.room(p.join))
		mux.Handle("POST "+prefix+"/join/{roomId}", p.room(p.join))
		mux.Handle("POST "+prefix+"/knock/{roomId}", p.room(p.knock))
		mux.Handle("POST "+rooms+"invite", p.room(p.invite))
		mux.Handle("POST "+rooms+"leave", p.room(p.leave))
		mux.Handle("POST "+rooms+"kick", p.room(p.change(membership.kick)))
		mux.Handle("POST "+rooms+"ban", p.room(p.change(membership.ban)))
		mux.Handle("POST "+rooms+"unban", p.room(p.change(membership.unban)))
	}
	mux.Handle("POST "+CreateRoomPath, p.authenticated(p.createRoom))
	mux.Handle("POST "+RetireRoomPath, p.authenticated(p.retireRoom))
	mux.HandleFunc("POST "+CopiesPath, p.takeCopies)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { mxhttp.WriteError(w, r, mxerr.Unrecognized()) })
	return mux
}

func (p *Persister) authenticated(h func(http.ResponseWriter, *http.Request, caller) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(route.HeaderWorker, strconv.FormatInt(p.opts.Leases.ID(), 10))
		who, ok := internalauth.IdentityFrom(r.Context())
		if !ok || who.UserID == "" {
			mxhttp.WriteError(w, r, mxerr.MissingToken())
			return
		}
		err := h(w, r.WithContext(withEpoch(r)), caller{who.UserID, who.DeviceID, who.RequestID})
		var elsewhere *elsewhereError
		switch {
		case err == nil:
		case errors.Is(err, errUnresolved):
			// No answer is the only true one; the connection breaks.
			panic(http.ErrAbortHandler)
		case errors.As(err, &elsewhere):
			elsewhere.tell(w, r)
		default:
			mxhttp.WriteError(w, r, err)
		}
	})
}

func (p *Persister) room(h roomHandler) http.Handler {
	return p.authenticated(func(w http.ResponseWriter, r *http.Request, c caller) error {
		name := r.PathValue("roomId")
		if len(name) > 0 && name[0] == '#' {
			return mxerr.NotFound("No such room alias")
		}
		roomID, err := id.ParseRoomID(name)
		if err != nil {
			return mxerr.InvalidParam("%v", err)
		}
		return h(w, r, c, roomID)
	})
}

func (p *Persister) send(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	evType, txn := r.PathValue("eventType"), r.PathValue("txnId")
	if len(txn) > maxTxn {
		return mxerr.InvalidParam("The transaction ID is longer than %d bytes", maxTxn)
	}
	if !storable(evType) || !storable(txn) {
		return unstorable()
	}
	content, err := readContent(w, r)
	if err != nil {
		return err
	}
	if evType == typeRedaction {
		return p.redactByContent(w, r, c, room, content)
	}
	write := c.write(room, "PUT", "send/"+evType, txn, len(content), sendEvent(c.user, evType, content))
	return p.answerEvent(w, r, write)
}

func (p *Persister) state(w http.ResponseWriter, r *http.Request, c caller, room id.RoomID) error {
	evType, stateKey := r.PathValue("eventType"), r.PathValue("stateKey")
	if !storable(evType) || !storable(stateKey) {
		return unstorable()
	}
	content, err := readContent(w, r)
	if err != nil {
		return err
	}
	if err := checkState(p.opts.ServerName, evType, stateKey, content); err != nil {
		return err
	}
	write := c.write(room, "PUT", "state/"+evType+"/"+stateKey, "", len(content), setState(c.user, evType, stateKey, content))
	return p.answerEvent(w, r, write)
}

func (p *Persister) answerEvent(w http.ResponseWriter, r *http.Request, write *write) error {
	eventID, err := p.write(r.Context(), write)
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, struct {
		EventID id.EventID `json:"event_id"`
	}{eventID})
	return nil
}

// storable reports whether Postgres can hold s as text. What it cannot hold must not come near a lane: the keys of all
// who wait are looked up together with the rooms that are read.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func unstorable() error { return mxerr.InvalidParam("The path contains NUL, or is not UTF-8") }

// readContent returns the request's body, which is an event's content, canonical. Numbers that only old room versions
// have are left to the building of the event.
func readContent(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	var raw json.RawMessage
	if err := mxhttp.ReadJSON(w, r, maxBody, &raw); err != nil {
		return nil, err
	}
	content, err := canonicaljson.Canonicalize(raw)
	if err != nil {
		content, err = canonicaljson.AppendLenient(nil, raw)
	}
	if err != nil {
		return nil, mxerr.BadJSON("%v", err)
	}
	return content, nil
}

// write makes a write of the caller's. path is the method's own part of the path; txn is empty where the API has none:
// the request id takes its place.
func (c caller) write(room id.RoomID, method, path, txn string, size int, decide decider) *write {
	key := dedupeKey{user: c.user, device: c.device, path: pathHash(method, string(room)+"/"+path), txn: txn}
	if path == CreateRoomPath {
		key.path = pathHash(method, path) // each attempt has another room
	}
	if txn == "" {
		key.txn = c.request
	}
	return &write{room: room, key: key, device: c.device, txn: txn, size: size + 1024, decide: decide}
}

// write brings a write to its answer.
func (p *Persister) write(ctx context.Context, w *write) (id.EventID, error) {
	w.ctx = ctx
	w.shard = p.opts.Leases.ShardOf(w.room)
	if err := p.mine(ctx, w.shard); err != nil {
		return "", err
	}
	a := p.lane(w.shard).submit(w)
	switch {
	case errors.Is(a.err, errNotOwner):
		return "", p.elsewhere(p.opts.Leases.ShardOf(w.room)) // which may be another by now
	case errors.Is(a.err, errStopped):
		return "", mxerr.Unavailable(time.Second, "This worker is stopping")
	case !a.remembered:
		return a.event, a.err
	}
	// What this worker remembers may be what another has changed long since: before it says no, or that all is as asked
	// for, it reads the truth.
	still, err := p.opts.Leases.Verify(ctx, w.shard, a.epoch)
	if err != nil {
		return "", mxerr.Unavailable(time.Second, "The database cannot be reached").WithCause(err)
	}
	switch {
	case !still:
		return "", p.elsewhere(w.shard)
	case a.err == nil:
		return a.event, nil
	}
	// Nor does this worker remember what another answered: the request may be one that was sent again, and what it did
	// the first time may be why it is refused now.
	if w.key.txn != "" {
		before, err := p.reader.repeated(ctx, []dedupeKey{w.key})
		if err != nil {
			return "", mxerr.Unavailable(time.Second, "The database cannot be reached").WithCause(err)
		}
		if event, ok := before[w.key]; ok {
			return event, nil
		}
	}
	return "", a.err
}
