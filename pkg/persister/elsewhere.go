package persister

import (
	"net/http"
	"strconv"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/route"
)

// An elsewhereError sends a request to the owner of its shard: 421 with the headers of package route.
type elsewhereError struct{ owner Owner }

func (e *elsewhereError) Error() string { return errNotOwner.Error() }

func (p *Persister) elsewhere(shard int) error { return &elsewhereError{p.opts.Leases.OwnerOf(shard)} }

func (e *elsewhereError) tell(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set(route.HeaderEpoch, strconv.FormatInt(e.owner.Epoch, 10))
	if e.owner.Worker != 0 {
		h.Set(route.HeaderOwner, strconv.FormatInt(e.owner.Worker, 10))
		h.Set(route.HeaderOwnerAddr, e.owner.Addr)
	}
	mxhttp.WriteError(w, r, mxerr.Unknown(http.StatusMisdirectedRequest, "Another worker owns this room"))
}
