package sync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/position"
)

// maxUserFilters bounds the filters that a user's model holds.
const maxUserFilters = 16

// A request is a parsed /sync.
type request struct {
	who       internalauth.Identity
	user      *user
	filter    *filter
	initial   bool
	since     position.Position
	fullState bool
	timeout   time.Duration
}

func (s *Sync) parse(r *http.Request, q *request) error {
	query := r.URL.Query()
	if raw := query.Get("since"); raw == "" {
		q.initial = true
	} else {
		since, err := position.ParseSyncToken(raw)
		if err != nil {
			return mxerr.InvalidParam("since is not a token of this server: %v", err)
		}
		q.since = since
	}
	switch raw := query.Get("full_state"); raw {
	case "", "false":
	case "true":
		q.fullState = true
	default:
		return mxerr.InvalidParam("full_state must be true or false")
	}
	switch query.Get("set_presence") {
	case "", "online", "offline", "unavailable":
	default:
		return mxerr.InvalidParam("set_presence must be online, offline or unavailable")
	}
	if raw := query.Get("timeout"); raw != "" {
		ms, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || ms < 0 {
			return mxerr.InvalidParam("timeout must be a number of milliseconds")
		}
		q.timeout = time.Duration(min(ms, s.cfg.MaxTimeout.Milliseconds())) * time.Millisecond
	}
	var err error
	q.filter, err = s.findFilter(r.Context(), q.user, query.Get("filter"))
	return err
}

// findFilter takes a filter's JSON or its id.
func (s *Sync) findFilter(ctx context.Context, u *user, param string) (*filter, error) {
	switch {
	case param == "":
		return &filter{}, nil
	case len(param) > maxFilter:
		return nil, mxerr.InvalidParam("filter is larger than %d bytes", maxFilter)
	case strings.HasPrefix(param, "{"):
		return parseFilter([]byte(param))
	}
	u.mu.Lock()
	known := u.filters[param]
	u.mu.Unlock()
	if known != nil {
		return known, nil
	}
	number, err := strconv.ParseInt(param, 10, 64)
	if err != nil {
		return nil, mxerr.InvalidParam("filter is neither JSON nor the id of a filter")
	}
	var raw []byte
	err = s.cfg.Pool.QueryRow(ctx, selectFilter, string(u.id), number).Scan(&raw)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, mxerr.InvalidParam("filter: there is no filter with this id")
	case err != nil:
		return nil, fmt.Errorf("read a filter: %w", err)
	}
	f, err := parseFilter(raw)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.filters) >= maxUserFilters {
		clear(u.filters)
	}
	u.filters[param] = f
	return f, nil
}
