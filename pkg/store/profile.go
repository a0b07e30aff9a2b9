package store

import (
	"context"
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
	sqlProfiles = `
SELECT a.user_id, p.displayname, p.avatar_url
FROM account a LEFT JOIN profile p ON p.user_id = a.user_id WHERE a.user_id = ANY ($1)`
	sqlSetDisplayName = `
INSERT INTO profile (user_id, displayname) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET displayname = excluded.displayname`
	sqlSetAvatarURL = `
INSERT INTO profile (user_id, avatar_url) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET avatar_url = excluded.avatar_url`
)

// Profile reads the profile of a user of this server; false if there is no such user.
func (s *Store) Profile(ctx context.Context, user id.UserID) (Profile, bool, error) {
	found, err := s.Profiles(ctx, []id.UserID{user})
	p, ok := found[user]
	return p, ok, err
}

// Profiles reads the profiles of those of the users who have an account here.
func (s *Store) Profiles(ctx context.Context, users []id.UserID) (map[id.UserID]Profile, error) {
	rows, err := s.db.Query(ctx, sqlProfiles, users)
	if err != nil {
		return nil, fmt.Errorf("read profiles: %w", err)
	}
	found := make(map[id.UserID]Profile, len(users))
	var user id.UserID
	var p Profile
	_, err = pgx.ForEachRow(rows, []any{&user, &p.DisplayName, &p.AvatarURL}, func() error {
		found[user] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read profiles: %w", err)
	}
	return found, nil
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
