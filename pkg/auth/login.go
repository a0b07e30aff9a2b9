package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// Login is a request of type m.login.password.
type Login struct {
	User     string // a localpart or a whole user id
	Password Secret
	Device   NewDevice
}

const (
	sqlPasswordHash = `SELECT password_hash, deactivated FROM account WHERE user_id = $1`
	// KEY SHARE keeps a logout of all devices, which takes the row FOR UPDATE, from missing this login's token.
	sqlLockAccountForLogin = `SELECT deactivated FROM account WHERE user_id = $1 FOR KEY SHARE`
)

// Login checks the password and opens a session. Errors are 403 M_FORBIDDEN for a wrong user or password, 403
// M_USER_DEACTIVATED, 400 M_INVALID_PARAM, 429 M_LIMIT_EXCEEDED, and those of the database.
func (a *Auth) Login(ctx context.Context, l Login) (Session, error) {
	if err := l.Device.check(); err != nil {
		return Session{}, err
	}
	wrong := mxerr.Forbidden("Invalid username or password")
	user, ok := a.localUser(l.User)
	if !ok || l.Password == "" || len(l.Password) > MaxPassword {
		return Session{}, wrong
	}

	hash, deactivated := a.hasher.decoy, false
	err := a.db.QueryRow(ctx, sqlPasswordHash, user).Scan(&hash, &deactivated)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Session{}, fmt.Errorf("read an account: %w", err)
	}
	if same, err := a.hasher.verify(ctx, hash, l.Password); err != nil {
		return Session{}, fmt.Errorf("verify a password: %w", err)
	} else if !same {
		return Session{}, wrong
	}
	if deactivated {
		return Session{}, mxerr.UserDeactivated()
	}

	var s Session
	var revoked bool
	err = pgx.BeginFunc(ctx, a.db, func(tx pgx.Tx) error {
		// It may have been deactivated, or be gone, since the password was read.
		err := tx.QueryRow(ctx, sqlLockAccountForLogin, user).Scan(&deactivated)
		if errors.Is(err, pgx.ErrNoRows) {
			return wrong
		}
		if err != nil {
			return fmt.Errorf("lock the account: %w", err)
		}
		if deactivated {
			return mxerr.UserDeactivated()
		}
		s, revoked, err = openSession(ctx, tx, user, l.Device)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	if revoked {
		a.poke()
	}
	return s, nil
}

// localUser reads what a client calls a user of this server: its localpart, in any case, or its whole id.
func (a *Auth) localUser(s string) (id.UserID, bool) {
	if !strings.HasPrefix(s, "@") {
		s = "@" + strings.ToLower(s) + ":" + string(a.server)
	}
	user, err := id.ParseUserID(s)
	return user, err == nil && user.ServerName() == a.server
}
