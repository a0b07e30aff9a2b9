// Package adminapi serves the internal admin API (package admin): what the operator and kubectl-myelin ask of any
// worker. The caller has been authenticated.
package adminapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// limit bounds one request; a move waits for the new owner.
const limit = 20 * time.Second

// Options of [New]. All are required.
type Options struct {
	Pool  *pgxpool.Pool
	Lease *lease.Manager
	Pod   string
	// Drain makes this worker give away what it owns; it returns at once.
	Drain func()
	// Redis says what is wrong with Redis; the error is bus.ErrRefused if it does not take the login.
	Redis func(ctx context.Context) error
	// Remote asks the worker at addr.
	Remote func(addr string) *admin.Client
}

// API answers the admin API.
type API struct{ o Options }

// New returns an API.
func New(o Options) *API { return &API{o} }

// Handler serves the paths below admin.Prefix.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+admin.Prefix+"ping", mxhttp.HandlerFunc(a.ping))
	mux.Handle("GET "+admin.Prefix+"status", bounded(a.status))
	mux.Handle("POST "+admin.Prefix+"shards/{shard}/move", bounded(a.move))
	mux.Handle("POST "+admin.Prefix+"workers/{worker}/drain", bounded(a.drain))
	mux.Handle("POST "+admin.Prefix+"workers/{worker}/cordon", bounded(a.cordon))
	mux.Handle("POST "+admin.Prefix+"rebalance", bounded(a.rebalance))
	mux.Handle("/", mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return mxerr.Unrecognized() }))
	return mux
}

func bounded(h mxhttp.HandlerFunc) mxhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		return h(w, r.WithContext(ctx))
	}
}

func (a *API) ping(w http.ResponseWriter, _ *http.Request) error {
	mxhttp.WriteJSON(w, http.StatusOK, admin.Ping{WorkerID: a.o.Lease.ID(), Pod: a.o.Pod})
	return nil
}

func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	var s admin.Status
	err := a.o.Pool.QueryRow(r.Context(), `
		SELECT c.database_id::text, c.server_name, c.generation, c.schema_version, h.position FROM cluster_state c, horizon h`).
		Scan(&s.DatabaseID, &s.ServerName, &s.Generation, &s.SchemaVersion, &s.Horizon)
	if err != nil {
		return unreachable(err)
	}
	if err := a.o.Lease.Refresh(r.Context()); err != nil {
		return unreachable(err)
	}
	workers, err := a.o.Lease.Workers(r.Context())
	if err != nil {
		return unreachable(err)
	}
	ended, err := a.o.Lease.EndedSince(r.Context(), admin.KeepEnded)
	if err != nil {
		return unreachable(err)
	}
	leases := a.o.Lease.Table().Leases()
	owned, pods := map[int64]int{}, map[int64]string{}
	for _, l := range leases {
		owned[l.Owner]++
	}
	for _, x := range workers {
		pods[x.ID] = x.Pod
		s.Workers = append(s.Workers, admin.Worker{
			ID: x.ID, Pod: x.Pod, Addr: x.Addr, Pool: x.Pool, Roles: x.Roles, State: x.State.String(), Cordoned: x.Cordoned, Shards: owned[x.ID],
			StartedAt: x.StartedAt.UTC(), ExpiresInMS: x.ExpiresIn.Milliseconds(), AgeMS: x.Age.Milliseconds(), Lag: x.Lag,
		})
	}
	for _, x := range ended {
		pods[x.ID] = x.Pod
		s.Workers = append(s.Workers, endedWorker(x))
	}
	for _, l := range leases {
		s.Shards = append(s.Shards, admin.Shard{
			ID: l.Shard, Owner: l.Owner, OwnerPod: pods[l.Owner], Epoch: l.Epoch, Claimed: l.Claimed, Target: l.Target,
		})
	}
	s.Redis = a.redis(r.Context())
	mxhttp.WriteJSON(w, http.StatusOK, s)
	return nil
}

func (a *API) redis(ctx context.Context) string {
	switch err := a.o.Redis(ctx); {
	case err == nil:
		return admin.RedisReachable
	case errors.Is(err, bus.ErrRefused):
		return admin.RedisRefused
	default:
		return admin.RedisUnreachable
	}
}

func endedWorker(x lease.Ended) admin.Worker {
	w := admin.Worker{
		ID: x.ID, Pod: x.Pod, Addr: x.Addr, Pool: x.Pool, Roles: x.Roles, State: admin.StateDead, Ended: admin.EndedDrained,
		DiedOf: x.DiedOf, StartedAt: x.StartedAt.UTC(),
	}
	if x.DiedOf != "" {
		w.Ended = admin.EndedDied
	}
	return w
}

func (a *API) move(w http.ResponseWriter, r *http.Request) error {
	shard, err := strconv.Atoi(r.PathValue("shard"))
	if err != nil || shard < 0 {
		return mxerr.InvalidParam("shard %q is not a number of a shard", r.PathValue("shard"))
	}
	var req admin.MoveRequest
	if err := mxhttp.ReadJSON(w, r, 1<<10, &req); err != nil {
		return err
	}
	moved, err := a.o.Lease.Move(r.Context(), shard, req.To)
	switch {
	case errors.Is(err, lease.ErrNoSuchShard):
		return mxerr.NotFound("There is no shard %d", shard)
	case errors.Is(err, lease.ErrUnfit) && req.To == 0:
		return mxerr.Unknown(http.StatusConflict, "There is no other live event persister, but for cordoned ones, to move shard %d to", shard)
	case errors.Is(err, lease.ErrUnfit) && a.cordoned(req.To):
		return mxerr.Unknown(http.StatusConflict, "Worker %d is cordoned: uncordon it first", req.To)
	case errors.Is(err, lease.ErrUnfit):
		return mxerr.Unknown(http.StatusConflict, "Worker %d is not a live event persister", req.To)
	case errors.Is(err, lease.ErrNotYet):
		return mxerr.Unavailable(time.Second, "Shard %d has not moved in time: ask for the status to see who owns it now", shard).WithCause(err)
	case err != nil:
		return unreachable(err)
	}
	mxhttp.WriteJSON(w, http.StatusOK, admin.MoveResult{From: moved.From, To: moved.To, Epoch: moved.Epoch})
	return nil
}

// drain is passed on to the worker that it is about. The last live event persister keeps its shards: without it no room
// could be written.
func (a *API) drain(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("worker"), 10, 64)
	if err != nil {
		return mxerr.InvalidParam("worker %q is not a worker id", r.PathValue("worker"))
	}
	if err := a.o.Lease.Refresh(r.Context()); err != nil {
		return unreachable(err)
	}
	table := a.o.Lease.Table()
	worker, ok := table.Worker(id)
	if !ok {
		return mxerr.NotFound("There is no live worker %d", id)
	}
	if live := table.WorkersWithRole(lease.RolePersister); len(live) == 1 && live[0].ID == id {
		return mxerr.Unknown(http.StatusConflict, "Worker %d is the last live event persister: without it no room can be written; scale its pool up first", id)
	}
	if id == a.o.Lease.ID() {
		a.o.Drain()
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if err := a.o.Remote(worker.Addr).Drain(r.Context(), id); err != nil {
		return mxerr.Unknown(http.StatusBadGateway, "Worker %d at %s cannot be told", id, worker.Addr).WithCause(err)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func unreachable(err error) error {
	return mxerr.Unavailable(time.Second, "The database cannot be reached").WithCause(err)
}
