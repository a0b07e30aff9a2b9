package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // the protocol's choice; as an HMAC it still holds
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// RegisterShared is a request for an account by someone who knows the shared secret. Path and form are Synapse's
// (/_synapse/admin/v1/register), so that tools made for it work.
type RegisterShared struct {
	Nonce       string
	Username    string
	Password    Secret
	DisplayName string
	Admin       bool
	UserType    string
	// MAC is the hexadecimal HMAC-SHA1, by the shared secret, of nonce, username, password, "admin" or "notadmin", and
	// the user type if there is one, with NUL between them.
	MAC          string
	InhibitLogin bool
}

const (
	noncePurpose = "nonce"
	nonceTTL     = time.Minute
	// maxDisplayName is the greatest length in bytes of the display name of a new account.
	maxDisplayName = 256
)

func (a *Auth) sharedSecretDisabled() error {
	if a.policy.SharedSecret == "" {
		return mxerr.Unknown(http.StatusBadRequest, "Shared secret registration is not enabled")
	}
	return nil
}

// Nonce returns a nonce for [Auth.RegisterShared] that is good for a minute. The error is 400 M_UNKNOWN where there is
// no shared secret, or the database's.
func (a *Auth) Nonce(ctx context.Context) (string, error) {
	if err := a.sharedSecretDisabled(); err != nil {
		return "", err
	}
	now, err := a.clock(ctx)
	if err != nil {
		return "", err
	}
	return a.tickets.issue(noncePurpose, now, nonceTTL), nil
}

// RegisterShared makes an account, whatever the mode of registration is. A nonce can be used again while it is good:
// the MAC covers the name, and a name is given once. Errors are 400 M_UNKNOWN for a wrong nonce or where there is no
// shared secret, 403 M_FORBIDDEN for a wrong MAC, and those of [Auth.Register] for name and password.
func (a *Auth) RegisterShared(ctx context.Context, r RegisterShared) (Session, error) {
	if err := a.sharedSecretDisabled(); err != nil {
		return Session{}, err
	}
	for name, value := range map[string]string{
		"nonce": r.Nonce, "username": r.Username, "password": string(r.Password), "mac": r.MAC,
	} {
		if value == "" {
			return Session{}, mxerr.MissingParam("%q is required", name)
		}
	}
	// NUL separates the parts that the MAC covers: within one it would let them be cut anew.
	if strings.ContainsRune(r.Username+string(r.Password)+r.UserType+r.DisplayName, 0) {
		return Session{}, mxerr.InvalidParam("A parameter contains NUL")
	}
	if len(r.DisplayName) > maxDisplayName {
		return Session{}, mxerr.InvalidParam("The display name is longer than %d bytes", maxDisplayName)
	}
	now, err := a.clock(ctx)
	if err != nil {
		return Session{}, err
	}
	if !a.tickets.valid(noncePurpose, r.Nonce, now) {
		return Session{}, mxerr.Unknown(http.StatusBadRequest, "Unrecognised nonce")
	}
	got, err := hex.DecodeString(r.MAC)
	if err != nil || !hmac.Equal(got, sharedSecretMAC(a.policy.SharedSecret, r)) {
		return Session{}, mxerr.Forbidden("HMAC incorrect")
	}
	user, _, err := a.newUser(ctx, r.Username)
	if err != nil {
		return Session{}, err
	}
	// How weak it may be is the administrator's affair.
	if err := checkPassword(r.Password, 1); err != nil {
		return Session{}, err
	}
	return a.create(ctx, newAccount{
		user: user, password: r.Password, displayName: r.DisplayName, admin: r.Admin, inhibitLogin: r.InhibitLogin,
		now: now,
	})
}

func sharedSecretMAC(secret Secret, r RegisterShared) []byte {
	kind := "notadmin"
	if r.Admin {
		kind = "admin"
	}
	parts := []string{r.Nonce, r.Username, string(r.Password), kind}
	if r.UserType != "" {
		parts = append(parts, r.UserType)
	}
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(strings.Join(parts, "\x00")))
	return m.Sum(nil)
}
