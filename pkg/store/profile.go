package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A Profile is what a user tells everybody. nil is unset.
type Profile struct {
	DisplayName *string
	AvatarURL   *string
}

const (
	sqlProfile = `
SELECT p.displayname, p.avatar_url FROM account a LEFT JOIN profile p ON p.user_id = a.user_id WHERE a.user_id = $1`
	sqlSetDisplayName = `
INSERT INTO profile (user_id, displayname) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET displayname = excluded.displayname`
	sqlSetAvatarURL = `
INSERT INTO profile (user_id, avatar_url) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET avatar_url = excluded.avatar_url`
)

// Profile reads the profile of a user of this server; false if there is no such user.
func (s *Store) Profile(ctx context.Context, user id.UserID) (Profile, bool, error) {
	var p Profile
	err := s.db.QueryRow(ctx, sqlProfile, user).Scan(&p.DisplayName, &p.AvatarURL)
	if errors.Is(err, pgx.ErrNoRows) {
		return Profile{}, false, nil
	}
	if err != nil {
		return Profile{}, false, fmt.Errorf("read the profile of %s: %w", user, err)
	}
	return p, true, nil
}

// SetDisplayName sets the display name of a user, nil unsets it.
func (s *Store) SetDisplayName(ctx context.Context, user id.UserID, name *string) error {
	if _, err := s.db.Exec(ctx, sqlSetDisplayName, user, name); err != nil {
		return fmt.Errorf("set a display name: %w", err)
	}
	return nil
}

// SetAvatarURL sets the avatar of a user, nil unsets it.
func (s *Store) SetAvatarURL(ctx context.Context, user id.UserID, url *string) error {
	if _, err := s.db.Exec(ctx, sqlSetAvatarURL, user, url); err != nil {
		return fmt.Errorf("set an avatar: %w", err)
	}
	return nil
}
