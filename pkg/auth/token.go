package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// An Identity is who an access token stands for.
type Identity struct {
	UserID    id.UserID
	DeviceID  id.DeviceID
	TokenHash []byte // [HashToken] of the token
}

// maxToken bounds what is hashed for a client that has shown nothing yet, in bytes.
const maxToken = 512

// newToken makes an access token of 256 random bits.
func newToken() Secret {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return Secret("myt_" + base64.RawURLEncoding.EncodeToString(b))
}

// HashToken returns the form in which a token is stored, cached and revoked: its SHA-256.
func HashToken(token Secret) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

const sqlResolve = `
SELECT t.user_id, t.device_id
FROM access_token t JOIN account a ON a.user_id = t.user_id
WHERE t.token_hash = $1 AND NOT a.deactivated`

// Resolve reads from the database whose token this is. Errors are 401 M_MISSING_TOKEN for the empty token, 401
// M_UNKNOWN_TOKEN for one that does not count (any more), and those of the database.
func (a *Auth) Resolve(ctx context.Context, token Secret) (Identity, error) {
	if token == "" {
		return Identity{}, mxerr.MissingToken()
	}
	if len(token) > maxToken {
		return Identity{}, mxerr.UnknownToken(false)
	}
	who := Identity{TokenHash: HashToken(token)}
	err := a.db.QueryRow(ctx, sqlResolve, who.TokenHash).Scan(&who.UserID, &who.DeviceID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Identity{}, mxerr.UnknownToken(false)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("resolve an access token: %w", err)
	}
	return who, nil
}
