package clientapi

import (
	"errors"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// register makes an account (client-server API, POST /register).
func (a *API) register(w http.ResponseWriter, r *http.Request) error {
	switch kind := r.URL.Query().Get("kind"); kind {
	case "", "user":
	case "guest":
		return mxerr.GuestAccessForbidden("Guest access is disabled")
	default:
		return mxerr.InvalidParam(`"kind" is user or guest`)
	}
	var body struct {
		Auth         *auth.AuthData `json:"auth"`
		Username     string         `json:"username"`
		Password     auth.Secret    `json:"password"`
		DeviceID     id.DeviceID    `json:"device_id"`
		DisplayName  string         `json:"initial_device_display_name"`
		InhibitLogin bool           `json:"inhibit_login"`
	}
	if err := mxhttp.ReadJSON(w, r, maxBody, &body); err != nil {
		return err
	}
	s, err := a.auth.Register(r.Context(), auth.Register{
		Username: body.Username, Password: body.Password, InhibitLogin: body.InhibitLogin, Auth: body.Auth,
		Device: auth.NewDevice{ID: body.DeviceID, DisplayName: body.DisplayName},
	})
	if challenge := new(auth.Challenge); errors.As(err, &challenge) {
		mxhttp.WriteJSON(w, http.StatusUnauthorized, challenge)
		return nil
	}
	if err != nil {
		return err
	}
	writeSession(w, s)
	return nil
}

func (a *API) registerAvailable(w http.ResponseWriter, r *http.Request) error {
	if err := a.auth.UsernameAvailable(r.Context(), r.URL.Query().Get("username")); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]bool{"available": true})
	return nil
}

func (a *API) registrationTokenValidity(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("token")
	if token == "" {
		return mxerr.MissingParam(`"token" is required`)
	}
	good, err := a.auth.RegistrationTokenIsGood(r.Context(), auth.Secret(token))
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]bool{"valid": good})
	return nil
}

// registerNonce and registerShared are Synapse's "Shared-Secret Registration".
func (a *API) registerNonce(w http.ResponseWriter, r *http.Request) error {
	nonce, err := a.auth.Nonce(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	mxhttp.WriteJSON(w, http.StatusOK, map[string]string{"nonce": nonce})
	return nil
}

func (a *API) registerShared(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Nonce        string      `json:"nonce"`
		Username     string      `json:"username"`
		Password     auth.Secret `json:"password"`
		DisplayName  string      `json:"displayname"`
		Admin        bool        `json:"admin"`
		UserType     string      `json:"user_type"`
		MAC          string      `json:"mac"`
		InhibitLogin bool        `json:"inhibit_login"`
	}
	if err := mxhttp.ReadJSON(w, r, maxBody, &body); err != nil {
		return err
	}
	s, err := a.auth.RegisterShared(r.Context(), auth.RegisterShared(body))
	if err != nil {
		return err
	}
	writeSession(w, s)
	return nil
}
