package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// Routes returns the patterns of the routing table, "METHOD /path", with the role that serves each.
func Routes() map[string]string {
	routes := make(map[string]string)
	for _, e := range table() {
		for method := range strings.FieldsSeq(e.methods) {
			routes[method+" "+e.path] = e.role
		}
	}
	return routes
}

// newMux matches requests to endpoints (client-server API, "API Standards": unknown paths are 404, unknown methods 405).
func newMux(serve func(w http.ResponseWriter, r *http.Request, e endpoint) error) http.Handler {
	paths := make(map[string]map[string]endpoint)
	for _, e := range table() {
		methods := paths[e.path]
		if methods == nil {
			methods = make(map[string]endpoint)
			paths[e.path] = methods
		}
		for method := range strings.FieldsSeq(e.methods) {
			methods[method] = e
		}
	}
	mux := http.NewServeMux()
	for path, methods := range paths {
		var allowed []string
		for m := range methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		allow := strings.Join(append(allowed, http.MethodOptions), ", ")
		mux.Handle(path, mxhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			e, ok := methods[r.Method]
			if !ok {
				w.Header().Set("Allow", allow)
				return mxerr.MethodNotAllowed()
			}
			return serve(w, r, e)
		}))
	}
	unknown := mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return mxerr.Unrecognized() })
	mux.Handle("/", unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect these, which clients do not expect.
		if p := r.URL.EscapedPath() + "/"; strings.Contains(p, "/./") || strings.Contains(p, "/../") || strings.Contains(strings.TrimSuffix(p, "/"), "//") {
			unknown.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// cors lets web clients in (client-server API, "Web Browser Clients").
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
