package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
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
	user, again, err := a.newUser(ctx, r.Username)
	if err != nil {
		return Session{}, err
	}
	now, err := a.clock(ctx)
	if err != nil {
		return Session{}, err
	}
	var token Secret
	if !again { // the token may have been used up the first time
		if token, err = a.authenticate(ctx, r.Auth, now); err != nil {
			return Session{}, err
		}
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
	_, again, err := a.newUser(ctx, username)
	if again {
		return errInUse()
	}
	return err
}

const sqlAccountExists = `SELECT EXISTS (SELECT FROM account WHERE user_id = $1)`

func errInUse() error { return mxerr.UserInUse("User ID is already taken") }

// newUser returns the id for a new account. again: this very request made it, and was sent again.
func (a *Auth) newUser(ctx context.Context, username string) (user id.UserID, again bool, err error) {
	if username == "" {
		username = rand.Text()[:12]
	}
	if user, err = id.NewUserID(strings.ToLower(username), a.server); err != nil {
		return "", false, mxerr.InvalidUsername("%v", err)
	}
	var exists bool
	if err := a.db.QueryRow(ctx, sqlAccountExists, user).Scan(&exists); err != nil {
		return "", false, fmt.Errorf("look up an account: %w", err)
	}
	if !exists {
		return user, false, nil
	}
	if again, err = registeredBy(ctx, a.db, user); err == nil && !again {
		err = errInUse()
	}
	return user, again, err
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
	s, revoked := Session{UserID: n.user}, false
	err = pgx.BeginFunc(ctx, a.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlInsertAccount, n.user, hash, n.admin)
		if err != nil {
			return fmt.Errorf("insert an account: %w", err)
		}
		if tag.RowsAffected() == 0 {
			again, err := registeredBy(ctx, tx, n.user)
			if err != nil {
				return err
			}
			if !again {
				return errInUse()
			}
			if _, err := tx.Exec(ctx, sqlLockAccountForLogin, n.user); err != nil {
				return fmt.Errorf("lock the account: %w", err)
			}
		} else if err := a.furnish(ctx, tx, n); err != nil {
			return err
		}
		if n.inhibitLogin {
			return nil
		}
		s, revoked, err = openSession(ctx, tx, n.user, n.device) // a session that nobody heard of may be there
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("register: %w", err)
	}
	if revoked {
		a.poke()
	}
	return s, nil
}

// furnish writes what goes with an account that was just made.
func (a *Auth) furnish(ctx context.Context, tx pgx.Tx, n newAccount) error {
	if n.token != "" {
		if err := a.useToken(ctx, tx, n.token, n.now); err != nil {
			return err
		}
	}
	if n.displayName != "" {
		if _, err := tx.Exec(ctx, sqlInsertProfile, n.user, n.displayName); err != nil {
			return fmt.Errorf("insert a profile: %w", err)
		}
	}
	if request := requestID(ctx); request != "" {
		if _, err := tx.Exec(ctx, sqlInsertRequest, n.user, registerPath[:], request); err != nil {
			return fmt.Errorf("remember the request: %w", err)
		}
	}
	return nil
}

// A gateway sends a registration again when its answer was lost. Who registered remembers the request's id, as the writes
// of rooms do: the second time must not say that the name is taken.
const (
	sqlInsertRequest = `
INSERT INTO request_dedupe (day, user_id, device_id, path_hash, txn_id, event_id)
VALUES (request_dedupe_day(), $1, '', $2, $3, '')`
	// A request is sent again for less than a minute; the day may change meanwhile.
	sqlRequestExists = `
SELECT EXISTS (SELECT FROM (SELECT request_dedupe_day() AS today OFFSET 0) t, LATERAL (VALUES (today), (today - 1)) d(day)
	JOIN request_dedupe r ON r.day = d.day AND r.user_id = $1 AND r.device_id = '' AND r.path_hash = $2 AND r.txn_id = $3)`
)

var registerPath = sha256.Sum256([]byte("POST register"))

// requestID is the id that the gateway gave the request, "" where there is none.
func requestID(ctx context.Context) string {
	who, _ := internalauth.IdentityFrom(ctx)
	return who.RequestID
}

// registeredBy reports whether the user's account was made by this very request.
func registeredBy(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, user id.UserID) (again bool, err error) {
	request := requestID(ctx)
	if request == "" {
		return false, nil
	}
	if err := db.QueryRow(ctx, sqlRequestExists, user, registerPath[:], request).Scan(&again); err != nil {
		return false, fmt.Errorf("look up a request: %w", err)
	}
	return again, nil
}
