package fedin

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// Bounds of a query.
const (
	maxQuery        = 64 << 10 // bytes
	maxQueryServers = 64
	maxQueryKeys    = 64 // of one server
	queryAtOnce     = 8
	queryLimit      = 20 * time.Second
)

// serverKeys publishes this server's keys (server-server API, "Publishing Keys").
func (a *API) serverKeys(w http.ResponseWriter, r *http.Request) error {
	body, err := a.keys.ServerKeys(r.Context())
	if err != nil {
		return err
	}
	mxhttp.WriteRaw(w, http.StatusOK, body)
	return nil
}

// wanted are the keys that a query wants, by server and key id.
type wanted map[id.ServerName]map[string]int64

// queryServerKeys answers for all keys of one server (server-server API, GET /_matrix/key/v2/query/{serverName}).
func (a *API) queryServerKeys(w http.ResponseWriter, r *http.Request) error {
	server, err := id.ParseServerName(r.PathValue("serverName"))
	if err != nil {
		return mxerr.InvalidParam("serverName: %v", err)
	}
	keys := map[string]int64{allKeys: 0}
	if s := r.URL.Query().Get("minimum_valid_until_ts"); s != "" {
		until, err := strconv.ParseInt(s, 10, 64)
		if err != nil || until < 0 || until > canonicaljson.MaxInt {
			return mxerr.InvalidParam("minimum_valid_until_ts is not a time in milliseconds")
		}
		keys[allKeys] = until
	}
	return a.notarize(w, r, wanted{server: keys})
}

// allKeys stands for the key that a query does not name.
const allKeys = ""

// queryKeys answers for several servers (server-server API, POST /_matrix/key/v2/query).
func (a *API) queryKeys(w http.ResponseWriter, r *http.Request) error {
	var query struct {
		ServerKeys map[id.ServerName]map[string]struct {
			MinimumValidUntilTS int64 `json:"minimum_valid_until_ts"`
		} `json:"server_keys"`
	}
	if err := mxhttp.ReadJSON(w, r, maxQuery, &query); err != nil {
		return err
	}
	if query.ServerKeys == nil {
		return mxerr.BadJSON("server_keys is missing")
	}
	if len(query.ServerKeys) > maxQueryServers {
		return mxerr.TooLarge("server_keys: more than %d servers", maxQueryServers)
	}
	want := wanted{}
	for server, keys := range query.ServerKeys {
		if _, err := id.ParseServerName(string(server)); err != nil {
			return mxerr.BadJSON("server_keys: %v", err)
		}
		if len(keys) > maxQueryKeys {
			return mxerr.TooLarge("server_keys.%s: more than %d keys", server, maxQueryKeys)
		}
		want[server] = map[string]int64{}
		if len(keys) == 0 {
			want[server][allKeys] = 0
		}
		for keyID, criteria := range keys {
			if criteria.MinimumValidUntilTS < 0 || keyID == allKeys {
				return mxerr.BadJSON("server_keys.%s: not a key id with a time", server)
			}
			want[server][keyID] = criteria.MinimumValidUntilTS
		}
	}
	return a.notarize(w, r, want)
}

// notarize leaves out the servers about which nothing is known.
func (a *API) notarize(w http.ResponseWriter, r *http.Request, want wanted) error {
	ctx, cancel := context.WithTimeout(r.Context(), queryLimit)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(queryAtOnce)
	found := make([][][]byte, 0, len(want))
	for server, keys := range want {
		found = append(found, nil)
		answers := &found[len(found)-1]
		group.Go(func() (err error) {
			*answers, err = a.notary.Notarize(ctx, server, keys)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	all := []json.RawMessage{}
	for _, answers := range found {
		for _, answer := range answers {
			all = append(all, answer)
		}
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"server_keys": all})
	return nil
}
