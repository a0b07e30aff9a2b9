package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// A RegistrationMode says who may make an account through the client-server API.
type RegistrationMode string

// The modes of registration. A shared secret, where there is one, makes accounts in each of them.
const (
	RegistrationClosed RegistrationMode = "closed" // nobody
	RegistrationToken  RegistrationMode = "token"  // who has a registration token
	RegistrationOpen   RegistrationMode = "open"   // everybody
)

// Registration is the policy of who may make an account. The zero value lets nobody.
type Registration struct {
	Mode RegistrationMode // empty is closed
	// Token, if any, is a token of mode token that never runs out. Others are rows of the table registration_token.
	Token Secret
	// SharedSecret, if any, is what the maker of an account by [Auth.RegisterShared] must know.
	SharedSecret Secret
}

// Check refuses a policy that cannot be meant.
func (r Registration) Check() error {
	switch r.Mode {
	case "", RegistrationClosed, RegistrationOpen:
		if r.Token != "" {
			return errors.New("a registration token is given, but registration is not by token")
		}
	case RegistrationToken:
	default:
		return fmt.Errorf("registration is closed, token or open, not %q", string(r.Mode))
	}
	return nil
}

// The stages of user-interactive authentication that a registration can ask for.
const (
	StageDummy = "m.login.dummy"
	StageToken = "m.login.registration_token"
)

const (
	uiaPurpose = "register"
	uiaTTL     = time.Hour
)

// A Challenge is the error of a registration that must be authenticated first: a response of status 401
// (client-server API, "User-Interactive Authentication API").
type Challenge struct {
	Flows     []Flow         `json:"flows"`
	Completed []string       `json:"completed"`
	Params    map[string]any `json:"params"`
	Session   string         `json:"session"`
	// ErrCode and Reason say what was wrong with the attempt, and are empty where there was none.
	ErrCode mxerr.Code `json:"errcode,omitempty"`
	Reason  string     `json:"error,omitempty"`
}

// A Flow is one way to authenticate: all of its stages.
type Flow struct {
	Stages []string `json:"stages"`
}

func (c *Challenge) Error() string {
	if c.Reason != "" {
		return "registration must be authenticated: " + c.Reason
	}
	return "registration must be authenticated"
}

// AuthData is the "auth" of a request.
type AuthData struct {
	Type    string `json:"type"`
	Session string `json:"session"`
	Token   Secret `json:"token"`
}

// authenticate returns the token to use up, "" for none. Errors are 403 M_FORBIDDEN where registration is closed, a
// [*Challenge] otherwise, and those of the database.
func (a *Auth) authenticate(ctx context.Context, data *AuthData, now time.Time) (useUp Secret, err error) {
	stage := StageDummy
	switch a.policy.Mode {
	case RegistrationOpen:
	case RegistrationToken:
		stage = StageToken
	default:
		return "", mxerr.Forbidden("Registration is disabled")
	}
	if data == nil || data.Type == "" {
		return "", a.challenge(stage, now, "")
	}
	if data.Session != "" && !a.tickets.valid(uiaPurpose, data.Session, now) {
		return "", a.challenge(stage, now, "Unknown or expired session")
	}
	if data.Type != stage {
		return "", a.challenge(stage, now, "This stage of authentication is not offered")
	}
	if stage == StageDummy {
		return "", nil
	}
	return a.checkToken(ctx, data.Token, now)
}

func (a *Auth) challenge(stage string, now time.Time, reason string) *Challenge {
	c := &Challenge{
		Flows:     []Flow{{Stages: []string{stage}}},
		Completed: []string{},
		Params:    map[string]any{},
		Session:   a.tickets.issue(uiaPurpose, now, uiaTTL),
		Reason:    reason,
	}
	if reason != "" {
		c.ErrCode = mxerr.CodeForbidden
	}
	return c
}

const (
	sqlTokenIsGood = `
SELECT EXISTS (SELECT FROM registration_token
               WHERE token = $1 AND coalesce(uses_left > 0, true) AND coalesce(expires_at > now(), true))`
	sqlUseToken = `
UPDATE registration_token SET uses_left = uses_left - 1
WHERE token = $1 AND coalesce(uses_left > 0, true) AND coalesce(expires_at > now(), true)`
)

// checkToken looks whether the token is good without using it up, and returns it if it has to be.
func (a *Auth) checkToken(ctx context.Context, token Secret, now time.Time) (useUp Secret, err error) {
	if a.isFixedToken(token) {
		return "", nil
	}
	good, err := a.RegistrationTokenIsGood(ctx, token)
	if err != nil {
		return "", err
	}
	if !good {
		return "", a.challenge(StageToken, now, "Invalid registration token")
	}
	return token, nil
}

// RegistrationTokenIsGood reports whether the token could be registered with now (client-server API, GET
// /register/m.login.registration_token/validity). Errors are 403 M_FORBIDDEN where registration is not by token, and
// those of the database.
func (a *Auth) RegistrationTokenIsGood(ctx context.Context, token Secret) (bool, error) {
	if a.policy.Mode != RegistrationToken {
		return false, mxerr.Forbidden("Registration by token is disabled")
	}
	if a.isFixedToken(token) {
		return true, nil
	}
	if !isRegistrationToken(token) {
		return false, nil
	}
	var good bool
	if err := a.db.QueryRow(ctx, sqlTokenIsGood, string(token)).Scan(&good); err != nil {
		return false, fmt.Errorf("look up a registration token: %w", err)
	}
	return good, nil
}

func (a *Auth) isFixedToken(token Secret) bool {
	return a.policy.Token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(a.policy.Token)) == 1
}

// isRegistrationToken checks the grammar: 1 to 64 of A-Z, a-z, 0-9 and "._~-".
func isRegistrationToken(token Secret) bool {
	if len(token) < 1 || len(token) > 64 {
		return false
	}
	for _, c := range []byte(token) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '~', c == '-':
		default:
			return false
		}
	}
	return true
}

// useToken takes one use off the token; the account that it is for is made in the same transaction.
func (a *Auth) useToken(ctx context.Context, tx pgx.Tx, token Secret, now time.Time) error {
	tag, err := tx.Exec(ctx, sqlUseToken, string(token))
	if err != nil {
		return fmt.Errorf("use a registration token: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return a.challenge(StageToken, now, "Invalid registration token")
	}
	return nil
}
