package adminapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// cordon is written to the worker's row; whoever spreads shards reads it there. The worker itself is not asked.
func (a *API) cordon(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("worker"), 10, 64)
	if err != nil {
		return mxerr.InvalidParam("worker %q is not a worker id", r.PathValue("worker"))
	}
	var req admin.CordonRequest
	if err := mxhttp.ReadJSON(w, r, 1<<10, &req); err != nil {
		return err
	}
	switch err := a.o.Lease.Cordon(r.Context(), id, req.Cordoned); {
	case errors.Is(err, lease.ErrUnfit):
		return mxerr.Unknown(http.StatusConflict, "Worker %d is not a live event persister: no other is ever given shards", id)
	case err != nil:
		return unreachable(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) cordoned(worker int64) bool {
	w, ok := a.o.Lease.Table().Worker(worker)
	return ok && w.Cordoned
}

func (a *API) rebalance(w http.ResponseWriter, r *http.Request) error {
	balancer, err := a.o.Lease.Rebalance(r.Context())
	if err != nil {
		return unreachable(err)
	}
	mxhttp.WriteJSON(w, http.StatusAccepted, admin.Rebalance{Balancer: balancer})
	return nil
}
