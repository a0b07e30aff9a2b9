package clientapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/store"
)

// A filterBody is what a filter must fit; what it does not name is kept as it came.
type filterBody struct {
	EventFields []string     `json:"event_fields"`
	EventFormat *string      `json:"event_format"`
	Presence    *eventFilter `json:"presence"`
	AccountData *eventFilter `json:"account_data"`
	Room        *struct {
		Rooms       []id.RoomID  `json:"rooms"`
		NotRooms    []id.RoomID  `json:"not_rooms"`
		Ephemeral   *eventFilter `json:"ephemeral"`
		State       *eventFilter `json:"state"`
		Timeline    *eventFilter `json:"timeline"`
		AccountData *eventFilter `json:"account_data"`
		Leave       bool         `json:"include_leave"`
	} `json:"room"`
}

func (f *filterBody) check() error {
	if f.EventFormat != nil && *f.EventFormat != "client" {
		return mxerr.InvalidParam(`Only the event_format "client" is supported`)
	}
	parts := []*eventFilter{f.Presence, f.AccountData}
	entries := len(f.EventFields)
	if f.Room != nil {
		parts = append(parts, f.Room.Ephemeral, f.Room.State, f.Room.Timeline, f.Room.AccountData)
		entries += len(f.Room.Rooms) + len(f.Room.NotRooms)
	}
	if entries > maxFilterEntries {
		return mxerr.InvalidParam("The filter has more than %d entries", maxFilterEntries)
	}
	for _, p := range parts {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

// addFilter keeps a filter (client-server API, POST /user/{userId}/filter).
func (a *API) addFilter(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	user, err := pathSelf(r, who)
	if err != nil {
		return err
	}
	raw, err := mxhttp.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	var f filterBody
	if err := mxhttp.DecodeJSON(raw, &f); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	canonical, err := canonicaljson.Canonicalize(raw)
	if err != nil {
		return mxerr.BadJSON("The filter is not canonical JSON").WithCause(err)
	}
	number, err := a.store.AddFilter(r.Context(), user, canonical)
	if errors.Is(err, store.ErrTooManyFilters) {
		return mxerr.Forbidden("At most %d filters are kept for a user", store.MaxFilters)
	}
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]string{"filter_id": strconv.FormatInt(number, 10)})
	return nil
}

func (a *API) filter(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	user, err := pathSelf(r, who)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(r.PathValue("filterId"), 10, 64)
	var raw json.RawMessage
	ok := false
	if err == nil {
		if raw, ok, err = a.store.Filter(r.Context(), user, number); err != nil {
			return err
		}
	}
	if !ok {
		return mxerr.NotFound("No such filter")
	}
	mxhttp.WriteRaw(w, http.StatusOK, raw)
	return nil
}
