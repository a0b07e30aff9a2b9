package clientapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/store"
)

type contextResponse struct {
	Start  string            `json:"start"`
	End    string            `json:"end"`
	Event  json.RawMessage   `json:"event"`
	Before []json.RawMessage `json:"events_before"`
	After  []json.RawMessage `json:"events_after"`
	State  []json.RawMessage `json:"state"`
}

// eventContext returns an event with those around it (client-server API, GET /rooms/{roomId}/context/{eventId}).
func (a *API) eventContext(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	limit, err := mxhttp.QueryInt(r, "limit", defaultPage, maxPage)
	if err != nil {
		return err
	}
	filter, err := parseEventFilter(r.URL.Query().Get("filter"))
	if err != nil {
		return err
	}
	e, v, err := a.pathEvent(r, who)
	if err != nil {
		return err
	}
	before, err := a.side(r.Context(), v, pageRequest{from: e.Position - 1, backward: true, limit: limit / 2, filter: filter})
	if err != nil {
		return err
	}
	after, err := a.side(r.Context(), v, pageRequest{from: e.Position, until: store.Now, limit: limit - limit/2, filter: filter})
	if err != nil {
		return err
	}
	last := e.Position
	if n := len(after.events); n > 0 {
		last = after.events[n-1].Position
	}
	state, err := a.contextState(r.Context(), v, last, filter, append(append([]store.Event{e}, before.events...), after.events...))
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, contextResponse{
		Start: before.end.PageToken(), End: after.end.PageToken(), Event: clientEvent(e, who),
		Before: clientEvents(before.events, who), After: clientEvents(after.events, who), State: clientEvents(state, who),
	})
	return nil
}

// side is page for a limit that may be 0.
func (a *API) side(ctx context.Context, v view, q pageRequest) (page, error) {
	if q.limit == 0 {
		return page{end: q.from}, nil
	}
	return a.page(ctx, v, q)
}

// contextState returns the state at the last event; with lazy loading, of the members only those who sent the events.
func (a *API) contextState(ctx context.Context, v view, at position.Position, f *eventFilter, events []store.Event) ([]store.Event, error) {
	state, err := a.store.State(ctx, v.room, store.StateFilter{}, at)
	if err != nil || !f.LazyLoadMembers {
		return state, err
	}
	senders := map[string]bool{}
	for _, e := range events {
		senders[string(e.Sender())] = true
	}
	kept := state[:0]
	for _, e := range state {
		if key, _ := e.StateKey(); e.Type() != typeMember || senders[key] {
			kept = append(kept, e)
		}
	}
	return kept, nil
}
