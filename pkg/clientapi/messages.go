package clientapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/store"
)

type messagesResponse struct {
	Start string            `json:"start"`
	End   string            `json:"end,omitempty"`
	Chunk []json.RawMessage `json:"chunk"`
	State []json.RawMessage `json:"state,omitempty"`
}

// messages returns a page of the room's history (client-server API, GET /rooms/{roomId}/messages).
func (a *API) messages(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	q, err := readPageRequest(r)
	if err != nil {
		return err
	}
	v, err := a.pathView(r, who)
	if err != nil {
		return err
	}
	if q.from == store.Now {
		if q.from, err = a.newest(r.Context(), v); err != nil {
			return err
		}
	}
	p, err := a.page(r.Context(), v, q)
	if err != nil {
		return err
	}
	resp := messagesResponse{Start: q.from.PageToken(), Chunk: clientEvents(p.events, who)}
	if p.more {
		resp.End = p.end.PageToken()
	}
	if q.filter.LazyLoadMembers {
		members, err := a.senders(r.Context(), v, p.events)
		if err != nil {
			return err
		}
		resp.State = clientEvents(members, who)
	}
	mxhttp.WriteJSON(w, http.StatusOK, resp)
	return nil
}

// readPageRequest reads the query; from is store.Now where pagination begins at the newest event.
func readPageRequest(r *http.Request) (q pageRequest, err error) {
	dir, err := mxhttp.QueryEnum(r, "dir", "b", "f")
	if err != nil {
		return q, err
	}
	if dir == "" {
		return q, mxerr.MissingParam(`Query parameter "dir" is required`)
	}
	q.backward = dir == "b"
	first, last := position.Position(0), store.Now
	if q.backward {
		first, last = last, first
	}
	if q.from, err = queryToken(r, "from", first); err != nil {
		return q, err
	}
	if q.until, err = queryToken(r, "to", last); err != nil {
		return q, err
	}
	if q.limit, err = mxhttp.QueryInt(r, "limit", defaultPage, maxPage); err != nil {
		return q, err
	}
	q.limit = max(q.limit, 1)
	q.filter, err = parseEventFilter(r.URL.Query().Get("filter"))
	if err == nil && q.filter.Limit != nil {
		q.limit = max(1, min(q.limit, *q.filter.Limit))
	}
	return q, err
}

// newest returns the position of the last event of the view.
func (a *API) newest(ctx context.Context, v view) (position.Position, error) {
	last, err := a.store.EventsBackward(ctx, v.room, 0, v.upTo, 1)
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return last[0].Position, nil
}

// senders returns the member events of those who sent the events (client-server API, "Lazy-loading room members").
func (a *API) senders(ctx context.Context, v view, events []store.Event) ([]store.Event, error) {
	keys := make([]string, 0, len(events))
	seen := map[id.UserID]bool{}
	for _, e := range events {
		if !seen[e.Sender()] {
			seen[e.Sender()] = true
			keys = append(keys, string(e.Sender()))
		}
	}
	return a.store.State(ctx, v.room, store.StateFilter{Types: []string{typeMember}, StateKeys: keys}, v.upTo)
}

// event returns one event. What the user may not see is not found (client-server API, GET
// /rooms/{roomId}/event/{eventId}).
func (a *API) event(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	e, _, err := a.pathEvent(r, who)
	if err != nil {
		return err
	}
	mxhttp.WriteRaw(w, http.StatusOK, clientEvent(e, who))
	return nil
}

// pathEvent returns the event in the path with the view on its room. Errors are 404 M_NOT_FOUND for all that the user
// may not see, and 400 M_INVALID_PARAM.
func (a *API) pathEvent(r *http.Request, who internalauth.Identity) (store.Event, view, error) {
	notFound := mxerr.NotFound("Event not found.")
	eventID, err := id.ParseEventID(r.PathValue("eventId"))
	if err != nil {
		return store.Event{}, view{}, mxerr.InvalidParam("%v", err)
	}
	v, err := a.pathView(r, who)
	if mxerr.Is(err, mxerr.CodeForbidden) {
		return store.Event{}, view{}, notFound
	}
	if err != nil {
		return store.Event{}, view{}, err
	}
	e, ok, err := a.store.Event(r.Context(), v.room, eventID)
	if err != nil {
		return store.Event{}, view{}, err
	}
	if !ok || e.Position > v.upTo {
		return store.Event{}, view{}, notFound
	}
	b, err := a.beholder(r.Context(), v, []store.Event{e})
	if err != nil {
		return store.Event{}, view{}, err
	}
	if !b.sees(e) {
		return store.Event{}, view{}, notFound
	}
	return e, v, nil
}
