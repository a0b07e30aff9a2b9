package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

const (
	// MaxDeviceID is the greatest length in bytes of a device id.
	MaxDeviceID = 255
	// MaxDeviceName is the greatest length in bytes of a device's display name.
	MaxDeviceName = 255

	newDeviceIDLength = 10
)

// A Session is a device that has just logged in.
type Session struct {
	UserID      id.UserID
	DeviceID    id.DeviceID
	AccessToken Secret
}

// NewDevice is what a client may say about the device that it logs in with.
type NewDevice struct {
	ID          id.DeviceID // empty: a random one is made
	DisplayName string      // ignored where the device is known already
}

func (d NewDevice) check() error {
	if len(d.ID) > MaxDeviceID {
		return mxerr.InvalidParam("The device ID is longer than %d bytes", MaxDeviceID)
	}
	if !utf8.ValidString(string(d.ID)) || strings.ContainsFunc(string(d.ID), unicode.IsControl) {
		return mxerr.InvalidParam("The device ID contains control characters")
	}
	if len(d.DisplayName) > MaxDeviceName {
		return mxerr.InvalidParam("The device's display name is longer than %d bytes", MaxDeviceName)
	}
	if strings.ContainsRune(d.DisplayName, 0) {
		return mxerr.InvalidParam("The device's display name contains NUL")
	}
	return nil
}

func newDeviceID() id.DeviceID { return id.DeviceID(rand.Text()[:newDeviceIDLength]) }

const (
	sqlInsertDevice = `
INSERT INTO device (user_id, device_id, display_name) VALUES ($1, $2, $3)
ON CONFLICT (user_id, device_id) DO NOTHING`
	sqlDeleteDeviceTokens = `
DELETE FROM access_token WHERE user_id = $1 AND device_id = $2 RETURNING token_hash`
	sqlInsertToken = `
INSERT INTO access_token (token_hash, user_id, device_id) VALUES ($1, $2, $3)`
)

// openSession gives the user a device with a new token. Tokens that the device had are revoked (client-server API,
// "Relationship between access tokens and devices"); revoked says whether there were any. The caller holds a lock on
// the account's row.
func openSession(ctx context.Context, tx pgx.Tx, user id.UserID, d NewDevice) (s Session, revoked bool, err error) {
	s = Session{UserID: user, DeviceID: d.ID, AccessToken: newToken()}
	if s.DeviceID == "" {
		s.DeviceID = newDeviceID()
	}
	if _, err := tx.Exec(ctx, sqlInsertDevice, user, s.DeviceID, d.DisplayName); err != nil {
		return Session{}, false, fmt.Errorf("insert a device: %w", err)
	}
	old, err := deleteTokens(ctx, tx, sqlDeleteDeviceTokens, user, s.DeviceID)
	if err != nil {
		return Session{}, false, err
	}
	if _, err := tx.Exec(ctx, sqlInsertToken, HashToken(s.AccessToken), user, s.DeviceID); err != nil {
		return Session{}, false, fmt.Errorf("insert an access token: %w", err)
	}
	return s, len(old) > 0, revoke(ctx, tx, old)
}
