package clientapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/store"
)

const (
	keyDisplayName = "displayname"
	keyAvatarURL   = "avatar_url"

	// Both go into every member event of the user; bytes.
	maxDisplayName = 256
	maxAvatarURL   = 1000
)

func (a *API) profile(w http.ResponseWriter, r *http.Request) error {
	fields, err := a.readProfile(r)
	if err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, fields)
	return nil
}

func (a *API) profileField(w http.ResponseWriter, r *http.Request) error {
	fields, err := a.readProfile(r)
	if err != nil {
		return err
	}
	key := r.PathValue("keyName")
	value, ok := fields[key]
	if !ok && key != keyDisplayName && key != keyAvatarURL {
		return mxerr.NotFound("The profile has no such field")
	}
	if !ok { // before v1.16 the answer to an unset field was an empty object, and that is what is claimed
		mxhttp.WriteJSON(w, http.StatusOK, mxhttp.Empty{})
		return nil
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]string{key: value})
	return nil
}

// readProfile returns the set fields of the profile of the user in the path. Other servers' users are not found: they
// could be asked for by federation only.
func (a *API) readProfile(r *http.Request) (map[string]string, error) {
	user, err := pathUser(r)
	if err != nil {
		return nil, err
	}
	var p store.Profile
	ok := false
	if user.ServerName() == a.server {
		if p, ok, err = a.store.Profile(r.Context(), user); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, mxerr.NotFound("No such user")
	}
	return profileFields(p), nil
}

// profileFields returns the set fields, named as in a profile and in a member event's content.
func profileFields(p store.Profile) map[string]string {
	fields := map[string]string{}
	if p.DisplayName != nil {
		fields[keyDisplayName] = *p.DisplayName
	}
	if p.AvatarURL != nil {
		fields[keyAvatarURL] = *p.AvatarURL
	}
	return fields
}

// setProfileField sets a field; null unsets it (client-server API, PUT /profile/{userId}/{keyName}). The rooms that the
// user is in already keep the member events that they have.
func (a *API) setProfileField(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error {
	user, err := pathSelf(r, who)
	if err != nil {
		return err
	}
	key := r.PathValue("keyName")
	limit := map[string]int{keyDisplayName: maxDisplayName, keyAvatarURL: maxAvatarURL}[key]
	if limit == 0 {
		return mxerr.Unrecognized()
	}
	var body map[string]json.RawMessage
	if err := mxhttp.ReadJSON(w, r, maxBody, &body); err != nil {
		return err
	}
	raw, ok := body[key]
	if !ok {
		return mxerr.MissingParam("%q is required", key)
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil {
		return mxerr.BadJSON("%q is not a string", key)
	}
	if value != nil {
		switch {
		case len(*value) > limit:
			return mxerr.InvalidParam("%q is longer than %d bytes", key, limit)
		case !storable(*value):
			return mxerr.InvalidParam("%q contains NUL", key)
		case key == keyAvatarURL && *value == "":
			value = nil // how clients take their avatar away
		case key == keyAvatarURL && !strings.HasPrefix(*value, "mxc://"):
			return mxerr.InvalidParam("%q is not an mxc:// URI", key)
		}
	}
	if err := a.storeProfileField(r, user, key, value); err != nil {
		return err
	}
	mxhttp.WriteJSON(w, http.StatusOK, mxhttp.Empty{})
	return nil
}

func (a *API) storeProfileField(r *http.Request, user id.UserID, key string, value *string) error {
	if key == keyDisplayName {
		return a.store.SetDisplayName(r.Context(), user, value)
	}
	return a.store.SetAvatarURL(r.Context(), user, value)
}

// storable reports whether Postgres can hold s as text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
