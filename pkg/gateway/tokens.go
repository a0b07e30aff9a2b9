package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// maxTokens bounds the cache: some 300 bytes each.
const maxTokens = 50_000

// A Resolver says whose an access token is, as *auth.Auth does.
type Resolver interface {
	Resolve(ctx context.Context, token auth.Secret) (auth.Identity, error)
}

// A Horizon tells how the stream advances, as *horizon.Follower does.
type Horizon interface {
	// Attend asks that each move is told as soon as it is announced, until leave is called and a while longer.
	Attend() (leave func())
	// Prompt reports whether that is so, and the horizon was heard within the last second.
	Prompt() bool
	// OnAdvance registers a listener.
	OnAdvance(func(horizon.Advance))
}

// tokens resolves access tokens, from memory where that is as good as the database.
type tokens struct {
	resolver Resolver
	horizon  Horizon
	cache    *otter.Cache[string, auth.Identity]
	// revocations counts the advances that revoked anything. What was read from the database before one is not put
	// into the cache after it.
	revocations atomic.Int64
}

func newTokens(resolver Resolver, h Horizon) *tokens {
	t := &tokens{resolver: resolver, horizon: h, cache: otter.Must(&otter.Options[string, auth.Identity]{MaximumSize: maxTokens})}
	h.OnAdvance(t.advance)
	return t
}

func (t *tokens) advance(a horizon.Advance) {
	if a.Reset {
		t.reset()
		return
	}
	for _, b := range a.Blocks {
		if len(b.Revoked) == 0 {
			continue
		}
		t.revocations.Add(1)
		for _, hash := range b.Revoked {
			t.cache.Invalidate(string(hash))
		}
	}
}

func (t *tokens) reset() {
	t.revocations.Add(1)
	t.cache.InvalidateAll()
}

// forget makes the next request with the token ask the database: who has logged out here need not wait for the horizon
// to tell of it.
func (t *tokens) forget(token auth.Secret) { t.cache.Invalidate(string(auth.HashToken(token))) }

// resolve returns whose the token is. Errors are those of Resolver, and 503 when the database cannot be asked.
func (t *tokens) resolve(ctx context.Context, token auth.Secret) (auth.Identity, error) {
	if token == "" {
		return auth.Identity{}, mxerr.MissingToken()
	}
	key := string(auth.HashToken(token))
	defer t.horizon.Attend()()
	if t.horizon.Prompt() {
		if who, ok := t.cache.GetIfPresent(key); ok {
			return who, nil
		}
	}
	before := t.revocations.Load()
	who, err := t.resolver.Resolve(ctx, token)
	if err != nil {
		if mxerr.As(err) == nil && ctx.Err() == nil {
			err = mxerr.Unavailable(2*time.Second, "The access token cannot be checked at the moment").WithCause(err)
		}
		return auth.Identity{}, err
	}
	t.cache.Set(key, who)
	if t.revocations.Load() != before {
		t.cache.Invalidate(key) // the revocation may have come between the read and the Set
	}
	return who, nil
}

// tokenOf takes the access token out of a request (client-server API, "Using access tokens"). The deprecated query
// parameter is removed from the request, so that it does not travel on.
func tokenOf(r *http.Request) auth.Secret {
	var token string
	if strings.Contains(r.URL.RawQuery, "access_token") {
		query := r.URL.Query()
		token = query.Get("access_token")
		query.Del("access_token")
		r.URL.RawQuery = query.Encode()
	}
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	r.Header.Del("Authorization")
	return auth.Secret(token)
}
