package clientapi

import (
	"net/http"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/pushrules"
	"github.com/myelin-hs/myelin/pkg/store"
)

type device struct {
	ID          id.DeviceID `json:"device_id"`
	DisplayName string      `json:"display_name,omitempty"`
}

// devices lists the user's devices (client-server API, GET /devices).
func (a *API) devices(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	found, err := a.store.Devices(r.Context(), who.UserID)
	if err != nil {
		return err
	}
	list := make([]device, 0, len(found))
	for _, d := range found {
		list = append(list, device(d))
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"devices": list})
	return nil
}

func (a *API) device(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	wanted := r.PathValue("deviceId")
	d, ok := store.Device{}, false
	if storable(wanted) {
		var err error
		if d, ok, err = a.store.Device(r.Context(), who.UserID, id.DeviceID(wanted)); err != nil {
			return err
		}
	}
	if !ok {
		return mxerr.NotFound("No such device")
	}
	mxhttp.WriteJSON(w, http.StatusOK, device(d))
	return nil
}

func (a *API) pushRules(w http.ResponseWriter, _ *http.Request, who internalauth.Identity) error {
	mxhttp.WriteRaw(w, http.StatusOK, pushrules.Default(who.UserID))
	return nil
}

func (a *API) globalPushRules(w http.ResponseWriter, _ *http.Request, who internalauth.Identity) error {
	mxhttp.WriteJSON(w, http.StatusOK, pushrules.Global(who.UserID))
	return nil
}
