package matrix

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // what the shared-secret registration of Synapse, and so ours, is made of
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// registering is how long making an account may take: passwords are hashed slowly on purpose.
const registering = time.Minute

// Register makes an account by the registration shared secret and logs its first device in.
func Register(ctx context.Context, base, secret, localpart string, transport http.RoundTripper, failures *Failures) (*Client, error) {
	c := &Client{Base: base, HTTP: unredirected(transport), Failures: failures, Deadline: registering}
	var nonce struct {
		Nonce string `json:"nonce"`
	}
	err := c.Do(ctx, http.MethodGet, "/_synapse/admin/v1/register", nil, &nonce)
	if err = named(err, "nonce", nonce.Nonce); err != nil {
		return nil, fmt.Errorf("ask for a registration nonce: %w", err)
	}
	password := "correct horse " + localpart
	mac := hmac.New(sha1.New, []byte(secret))
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00notadmin", nonce.Nonce, localpart, password)
	var account struct {
		UserID      string `json:"user_id"`
		DeviceID    string `json:"device_id"`
		AccessToken string `json:"access_token"`
	}
	err = c.Do(ctx, http.MethodPost, "/_synapse/admin/v1/register", map[string]any{
		"nonce": nonce.Nonce, "username": localpart, "password": password, "admin": false, "mac": hex.EncodeToString(mac.Sum(nil)),
	}, &account)
	if err = named(err, "user_id", account.UserID, "access_token", account.AccessToken); err != nil {
		return nil, fmt.Errorf("register %s: %w", localpart, err)
	}
	c.UserID, c.DeviceID, c.Token, c.Deadline = account.UserID, account.DeviceID, account.AccessToken, 0
	return c, nil
}

// RegisterOpen makes an account where anybody may, by the stage m.login.dummy, and logs its first device in.
func RegisterOpen(ctx context.Context, base, localpart string, transport http.RoundTripper, failures *Failures) (*Client, error) {
	c := &Client{Base: base, HTTP: unredirected(transport), Failures: failures, Deadline: registering}
	var account struct {
		UserID      string `json:"user_id"`
		DeviceID    string `json:"device_id"`
		AccessToken string `json:"access_token"`
	}
	ask := func(session string) error {
		stage := map[string]any{"type": "m.login.dummy"}
		if session != "" {
			stage["session"] = session
		}
		return c.Do(ctx, http.MethodPost, "/_matrix/client/v3/register",
			map[string]any{"username": localpart, "password": "correct horse " + localpart, "auth": stage}, &account)
	}
	err := ask("")
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Session != "" { // some want the session named that they made
		err = ask(status.Session)
	}
	if err = named(err, "user_id", account.UserID, "access_token", account.AccessToken); err != nil {
		return nil, fmt.Errorf("register %s: %w", localpart, err)
	}
	c.UserID, c.DeviceID, c.Token, c.Deadline = account.UserID, account.DeviceID, account.AccessToken, 0
	return c, nil
}

// WithToken is the device of an access token.
func WithToken(ctx context.Context, base, token string, transport http.RoundTripper, failures *Failures) (*Client, error) {
	c := &Client{Base: base, HTTP: unredirected(transport), Failures: failures, Token: token}
	var who struct {
		UserID   string `json:"user_id"`
		DeviceID string `json:"device_id"`
	}
	err := c.Do(ctx, http.MethodGet, "/_matrix/client/v3/account/whoami", nil, &who)
	if err = named(err, "user_id", who.UserID); err != nil {
		return nil, fmt.Errorf("ask whose access token it is: %w", err)
	}
	c.UserID, c.DeviceID = who.UserID, who.DeviceID
	return c, nil
}
