package clientapi

import (
	"net/http"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

const (
	loginPassword = "m.login.password"
	identifyUser  = "m.id.user"
)

func (a *API) loginFlows(w http.ResponseWriter, _ *http.Request) error {
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"flows": []map[string]string{{"type": loginPassword}}})
	return nil
}

// login opens a session (client-server API, POST /login).
func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Type       *string `json:"type"`
		Identifier *struct {
			Type string `json:"type"`
			User string `json:"user"`
		} `json:"identifier"`
		User        string      `json:"user"` // deprecated, and still sent
		Password    auth.Secret `json:"password"`
		DeviceID    id.DeviceID `json:"device_id"`
		DisplayName string      `json:"initial_device_display_name"`
	}
	if err := mxhttp.ReadJSON(w, r, maxBody, &body); err != nil {
		return err
	}
	if body.Type == nil {
		return mxerr.MissingParam(`"type" is required`)
	}
	if *body.Type != loginPassword {
		return mxerr.Unknown(http.StatusBadRequest, "Unknown login type")
	}
	user := body.User
	if body.Identifier != nil {
		if body.Identifier.Type != identifyUser {
			return mxerr.Unknown(http.StatusBadRequest, "Unknown login identifier type")
		}
		user = body.Identifier.User
	}
	if user == "" {
		return mxerr.MissingParam(`"identifier" is required`)
	}
	if body.Password == "" {
		return mxerr.MissingParam(`"password" is required`)
	}
	s, err := a.auth.Login(r.Context(), auth.Login{
		User: user, Password: body.Password, Device: auth.NewDevice{ID: body.DeviceID, DisplayName: body.DisplayName},
	})
	if err != nil {
		return err
	}
	writeSession(w, s)
	return nil
}

func writeSession(w http.ResponseWriter, s auth.Session) {
	body := map[string]string{"user_id": string(s.UserID), "home_server": string(s.UserID.ServerName())}
	if s.AccessToken != "" {
		body["access_token"], body["device_id"] = string(s.AccessToken), string(s.DeviceID)
	}
	w.Header().Set("Cache-Control", "no-store")
	mxhttp.WriteJSON(w, http.StatusOK, body)
}

func (a *API) logout(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.auth.Logout(r.Context(), authIdentity(who)); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, mxhttp.Empty{})
	return nil
}

func (a *API) logoutAll(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	if err := readNothing(w, r); err != nil {
		return err
	}
	if err := a.auth.LogoutAll(r.Context(), authIdentity(who)); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, mxhttp.Empty{})
	return nil
}

// readNothing checks the body of an endpoint that wants none: what is sent must still be JSON, and small.
func readNothing(w http.ResponseWriter, r *http.Request) error {
	return mxhttp.ReadOptionalJSON(w, r, maxBody, &mxhttp.Empty{})
}

func authIdentity(who internalauth.Identity) auth.Identity {
	return auth.Identity{UserID: who.UserID, DeviceID: who.DeviceID, TokenHash: who.TokenHash}
}

func (a *API) whoami(w http.ResponseWriter, _ *http.Request, who internalauth.Identity) error {
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{
		"user_id": who.UserID, "device_id": who.DeviceID, "is_guest": false,
	})
	return nil
}
