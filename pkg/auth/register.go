package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// Register is a request for an account of kind user (client-server API, POST /register).
type Register struct {
	Username     string // a localpart, in any case; empty: a random one is made
	Password     Secret
	Device       NewDevice
	InhibitLogin bool
	Auth         *AuthData // nil: the client asks what to authenticate with
}

// Register makes an account, and unless inhibited a session. Errors are 403 M_FORBIDDEN where registration is closed,
// 400 M_INVALID_USERNAME, M_USER_IN_USE, M_MISSING_PARAM, M_WEAK_PASSWORD and M_INVALID_PARAM, 429 M_LIMIT_EXCEEDED, a
// [*Challenge], and those of the database.
func (a *Auth) Register(ctx context.Context, r Register) (Session, error) {
	if a.policy.Mode == "" || a.policy.Mode == RegistrationClosed {
		return Session{}, mxerr.Forbidden("Registration is disabled")
	}
	// Before the authentication, as the specification asks: the client need not authenticate for a name it can't have.
	user, err := a.newUser(ctx, r.Username)
	if err != nil {
		return Session{}, err
	}
	now := time.Now()
	token, err := a.authenticate(ctx, r.Auth, now)
	if err != nil {
		return Session{}, err
	}
	if err := checkPassword(r.Password, MinPassword); err != nil {
		return Session{}, err
	}
	return a.create(ctx, newAccount{
		user: user, password: r.Password, device: r.Device, inhibitLogin: r.InhibitLogin, token: token, now: now,
	})
}

// UsernameAvailable returns nil if an account of this name could be made now. Errors are as in [Auth.Register].
func (a *Auth) UsernameAvailable(ctx context.Context, username string) error {
	if a.policy.Mode == "" || a.policy.Mode == RegistrationClosed {
		return mxerr.Forbidden("Registration is disabled")
	}
	if username == "" {
		return mxerr.MissingParam("A username is required")
	}
	_, err := a.newUser(ctx, username)
	return err
}

const sqlAccountExists = `SELECT EXISTS (SELECT FROM account WHERE user_id = $1)`

func (a *Auth) newUser(ctx context.Context, username string) (id.UserID, error) {
	if username == "" {
		username = rand.Text()[:12]
	}
	user, err := id.NewUserID(strings.ToLower(username), a.server)
	if err != nil {
		return "", mxerr.InvalidUsername("%v", err)
	}
	var exists bool
	if err := a.db.QueryRow(ctx, sqlAccountExists, user).Scan(&exists); err != nil {
		return "", fmt.Errorf("look up an account: %w", err)
	}
	if exists {
		return "", mxerr.UserInUse("User ID is already taken")
	}
	return user, nil
}

type newAccount struct {
	user         id.UserID
	password     Secret
	displayName  string
	admin        bool
	device       NewDevice
	inhibitLogin bool
	token        Secret // a registration token to use up, "" for none
	now          time.Time
}

const (
	sqlInsertAccount = `
INSERT INTO account (user_id, password_hash, admin) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO NOTHING`
	sqlInsertProfile = `INSERT INTO profile (user_id, displayname) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING`
)

// create makes the account and all that goes with it, or nothing.
func (a *Auth) create(ctx context.Context, n newAccount) (Session, error) {
	if err := n.device.check(); err != nil {
		return Session{}, err
	}
	hash, err := a.hasher.hash(ctx, n.password)
	if err != nil {
		return Session{}, fmt.Errorf("hash a password: %w", err)
	}
	s := Session{UserID: n.user}
	err = pgx.BeginFunc(ctx, a.db, func(tx pgx.Tx) error {
		if n.token != "" {
			if err := a.useToken(ctx, tx, n.token, n.now); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, sqlInsertAccount, n.user, hash, n.admin)
		if err != nil {
			return fmt.Errorf("insert an account: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return mxerr.UserInUse("User ID is already taken")
		}
		if n.displayName != "" {
			if _, err := tx.Exec(ctx, sqlInsertProfile, n.user, n.displayName); err != nil {
				return fmt.Errorf("insert a profile: %w", err)
			}
		}
		if n.inhibitLogin {
			return nil
		}
		s, _, err = openSession(ctx, tx, n.user, n.device) // a new account has no tokens to revoke
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("register: %w", err)
	}
	return s, nil
}
