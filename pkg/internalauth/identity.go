package internalauth

import (
	"context"
	"net/http"
	"strings"

	"github.com/myelin-hs/myelin/pkg/id"
)

// An Identity is who makes a request. The zero UserID means nobody: an endpoint that needs no token, or a worker or the
// operator on its own behalf.
type Identity struct {
	UserID   id.UserID
	DeviceID id.DeviceID
	// TokenHash is the SHA-256 of the access token, nil without one.
	TokenHash []byte
	// RequestID is unique to the client's request, and the same each time it is sent again. It deduplicates writes that
	// have no transaction id of the client's.
	RequestID string
}

type identityKey struct{}

// WithIdentity returns a context that carries who.
func WithIdentity(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// IdentityFrom returns the identity in ctx; false if there is none, which means that the request came by no
// authenticated way. A handler must then refuse it.
func IdentityFrom(ctx context.Context) (Identity, bool) {
	who, ok := ctx.Value(identityKey{}).(Identity)
	return who, ok
}

// headerPrefix begins the names of all headers between workers, in canonical form.
const headerPrefix = "X-Myelin-"

// Strip removes all X-Myelin-* headers: from what the public sends, and from what it is answered.
func Strip(h http.Header) {
	for name := range h {
		if len(name) >= len(headerPrefix) && strings.EqualFold(name[:len(headerPrefix)], headerPrefix) {
			delete(h, name)
		}
	}
}
