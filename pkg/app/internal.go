package app

import (
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/myelin-hs/myelin/pkg/gateway"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/persister"
	"github.com/myelin-hs/myelin/pkg/route"
)

// internalPort serves what other workers, the operator and the plugin ask. Its handler is installed once the worker has
// joined; until then it accepts connections, so that peers do not take the newcomer for dead, and says that it serves
// nothing yet.
type internalPort struct {
	joined atomic.Pointer[joinedPort]
}

type joinedPort struct {
	id      string
	handler http.Handler
}

func (p *internalPort) install(id int64, h http.Handler) {
	p.joined.Store(&joinedPort{strconv.FormatInt(id, 10), h})
}

func (p *internalPort) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j := p.joined.Load()
	if j == nil {
		unserved(w, r)
		return
	}
	w.Header().Set(route.HeaderWorker, j.id)
	if to := r.Header.Get(route.HeaderTo); to != "" && to != j.id {
		// Meant for who had this address before.
		unserved(w, r)
		return
	}
	j.handler.ServeHTTP(w, r)
}

// unserved is for the forwarder, which asks another worker; no client sees it, and no log needs it.
func unserved(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(route.HeaderUnserved, "1")
	mxhttp.WriteJSON(w, http.StatusServiceUnavailable, mxerr.Unavailable(0, "This worker does not serve this"))
}

// byRole passes each endpoint of the routing table to the handler of its role, if this worker has it.
func byRole(handlers map[string]http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	routes := maps.Clone(gateway.Routes())
	routes["POST "+persister.CreateRoomPath] = RolePersister
	routes["POST "+persister.RetireRoomPath] = RolePersister
	routes["POST "+persister.CopiesPath] = RolePersister
	for pattern, role := range routes {
		if h, ok := handlers[role]; ok {
			mux.Handle(pattern, h)
		}
	}
	mux.HandleFunc("/", unserved)
	return mux
}
