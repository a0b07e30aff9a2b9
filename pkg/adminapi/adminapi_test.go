package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/adminapi"
	"github.com/myelin-hs/myelin/pkg/lag"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// idle serves shards by doing nothing.
type idle struct{}

func (idle) Quiesce(context.Context, int) error { return nil }
func (idle) Granted(int, int64)                 {}
func (idle) Lost(int)                           {}

// worker is one that runs, with its API and how often it was told to drain.
type worker struct {
	*lease.Manager
	handler http.Handler
	drained chan struct{}
	redis   *error // what is wrong with Redis
}

func join(t *testing.T, pool *pgxpool.Pool, pod string) worker {
	t.Helper()
	m, err := lease.Join(t.Context(), pool, lease.Self{Pod: pod, Addr: pod + ":1", Pool: "p", Roles: []string{lease.RolePersister}, Protocol: 1},
		lease.Options{Holder: idle{}})
	require.NoError(t, err)
	m.SetMeasure(func() lag.Reading { return lag.Reading{lag.Persister: {Oldest: 7 * time.Millisecond}} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	w := worker{Manager: m, drained: make(chan struct{}, 10), redis: new(error)}
	w.handler = adminapi.New(adminapi.Options{
		Pool: pool, Lease: m, Pod: pod, Drain: func() { w.drained <- struct{}{} },
		Redis:  func(context.Context) error { return *w.redis },
		Remote: func(addr string) *admin.Client { return admin.NewClient("http://"+addr, strings.Repeat("x", 32), nil) },
	}).Handler()
	return w
}

func (w worker) ask(t *testing.T, method, path, body string, answer any) (status int, message string) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, admin.Prefix+path, strings.NewReader(body)))
	if rec.Code/100 == 2 {
		if answer != nil {
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), answer))
		}
		return rec.Code, ""
	}
	var refusal struct {
		Error string `json:"error"`
	}
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &refusal))
	return rec.Code, refusal.Error
}

func (w worker) status(t *testing.T) admin.Status {
	t.Helper()
	var s admin.Status
	code, message := w.ask(t, http.MethodGet, "status", "", &s)
	require.Equal(t, http.StatusOK, code, message)
	return s
}

// awaitClaims waits until every shard is served by somebody.
func (w worker) awaitClaims(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(w.status(t).Shards, func(s admin.Shard) bool { return !s.Claimed })
	}, time.Minute, 10*time.Millisecond)
}

func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestTheStatusHasTheLagOfEachWorker(t *testing.T) {
	t.Parallel()
	first := join(t, open(t), "first")
	var w admin.Worker
	require.Eventually(t, func() bool {
		w = first.status(t).Workers[0]
		return w.Lag != nil
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, lag.Reading{lag.Persister: {Oldest: 7 * time.Millisecond}}, w.Lag)
	require.Positive(t, w.AgeMS)
	require.Len(t, first.status(t).LagPool("p", []string{lag.Persister}, 1).Workers, 1)
}

func TestTheLastPersisterIsNotDrained(t *testing.T) {
	t.Parallel()
	pool := open(t)
	first := join(t, pool, "first")
	drain := fmt.Sprintf("workers/%d/drain", first.ID())

	code, message := first.ask(t, http.MethodPost, drain, "", nil)
	require.Equal(t, http.StatusConflict, code)
	require.Contains(t, message, "last live event persister")
	require.Empty(t, first.drained)

	join(t, pool, "second")
	code, message = first.ask(t, http.MethodPost, drain, "", nil)
	require.Equal(t, http.StatusAccepted, code, message)
	require.Len(t, first.drained, 1)
}

func TestStatusAndMove(t *testing.T) {
	t.Parallel()
	pool := open(t)
	first, second := join(t, pool, "first"), join(t, pool, "second")
	first.awaitClaims(t)

	s := second.status(t)
	require.Equal(t, pgtest.ServerName, s.ServerName)
	require.Len(t, s.Workers, 2)
	var moved admin.MoveResult
	code, message := first.ask(t, http.MethodPost, "shards/5/move", `{"to":0}`, &moved)
	require.Equal(t, http.StatusOK, code, message)
	require.Contains(t, []int64{first.ID(), second.ID()}, moved.From)
	require.Positive(t, moved.To)
	require.NotEqual(t, moved.From, moved.To)
	require.Greater(t, moved.Epoch, s.Shards[5].Epoch)
}

func TestCordonAndRebalance(t *testing.T) {
	t.Parallel()
	pool := open(t)
	first, second := join(t, pool, "first"), join(t, pool, "second")
	first.awaitClaims(t)
	cordon := fmt.Sprintf("workers/%d/cordon", second.ID())

	code, message := first.ask(t, http.MethodPost, cordon, `{"cordoned":true}`, nil)
	require.Equal(t, http.StatusNoContent, code, message)
	s := first.status(t)
	require.Equal(t, []bool{false, true}, []bool{s.Workers[0].Cordoned, s.Workers[1].Cordoned})
	theirs := slices.IndexFunc(s.Shards, func(x admin.Shard) bool { return x.Owner == first.ID() })
	code, message = first.ask(t, http.MethodPost, fmt.Sprintf("shards/%d/move", theirs), fmt.Sprintf(`{"to":%d}`, second.ID()), nil)
	require.Equal(t, http.StatusConflict, code)
	require.Contains(t, message, "uncordon it first")
	code, message = first.ask(t, http.MethodPost, cordon, `{"cordoned":false}`, nil)
	require.Equal(t, http.StatusNoContent, code, message)
	require.False(t, first.status(t).Workers[1].Cordoned)

	var asked admin.Rebalance
	require.Eventually(t, func() bool {
		code, _ := second.ask(t, http.MethodPost, "rebalance", "", &asked)
		return code == http.StatusAccepted && (asked.Balancer == first.ID() || asked.Balancer == second.ID())
	}, time.Minute, 10*time.Millisecond)
}

func TestNonsenseIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := join(t, open(t), "only")
	w.awaitClaims(t)
	for name, c := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"a shard that is no number":     {"shards/x/move", `{}`, http.StatusBadRequest, `"x"`},
		"a shard that does not exist":   {"shards/64/move", `{}`, http.StatusNotFound, "shard 64"},
		"no other persister":            {"shards/1/move", `{"to":0}`, http.StatusConflict, "no other live event persister"},
		"a destination that is not one": {"shards/1/move", `{"to":999}`, http.StatusConflict, "Worker 999"},
		"a body that is not JSON":       {"shards/1/move", `{`, http.StatusBadRequest, ""},
		"a worker that is no number":    {"workers/x/drain", "", http.StatusBadRequest, `"x"`},
		"to cordon nobody":              {"workers/999/cordon", `{"cordoned":true}`, http.StatusConflict, "999"},
		"a worker that does not exist":  {"workers/999/drain", "", http.StatusNotFound, "999"},
	} {
		t.Run(name, func(t *testing.T) {
			code, message := w.ask(t, http.MethodPost, c.path, c.body, nil)
			require.Equal(t, c.status, code, message)
			require.Contains(t, message, c.says)
		})
	}
}
