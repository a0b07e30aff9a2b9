package clientapi

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// specVersions are the versions of the specification whose forms the endpoints that are here follow. v1.5 is the least
// that current clients accept; from v1.7 on they would expect endpoints that are not here.
var specVersions = []string{"v1.1", "v1.2", "v1.3", "v1.4", "v1.5"}

func (a *API) versions(w http.ResponseWriter, _ *http.Request) error {
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{
		"versions": specVersions, "unstable_features": map[string]bool{},
	})
	return nil
}

// wellKnownClient serves the discovery information (client-server API, "Well-known URIs").
func (a *API) wellKnownClient(w http.ResponseWriter, r *http.Request) error {
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{
		"m.homeserver": map[string]string{"base_url": a.publicBaseURL(r)},
	})
	return nil
}

// wellKnownServer says where other servers reach this one (server-server API, "Resolving server names").
func (a *API) wellKnownServer(w http.ResponseWriter, r *http.Request) error {
	host := r.Host
	if u, err := url.Parse(a.baseURL); err == nil && u.Host != "" {
		host = u.Host
		if u.Port() == "" {
			// Without a port, other servers would take 8448.
			port := "443"
			if u.Scheme == "http" {
				port = "80"
			}
			host = net.JoinHostPort(u.Hostname(), port)
		}
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]string{"m.server": host})
	return nil
}

func (a *API) publicBaseURL(r *http.Request) string {
	if a.baseURL != "" {
		return strings.TrimSuffix(a.baseURL, "/")
	}
	return "http://" + r.Host
}

// capabilities says what the user can do (client-server API, "Capabilities negotiation").
func (a *API) capabilities(w http.ResponseWriter, _ *http.Request, _ internalauth.Identity) error {
	type capability struct {
		Enabled bool `json:"enabled"`
	}
	available := make(map[string]string, len(event.Versions))
	for _, v := range event.Versions {
		available[v.ID] = "unstable"
		if v.Stable {
			available[v.ID] = "stable"
		}
	}
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{"capabilities": map[string]any{
		"m.room_versions":   map[string]any{"default": event.DefaultVersion.ID, "available": available},
		"m.change_password": capability{false},
		"m.3pid_changes":    capability{false},
		"m.get_login_token": capability{false},
		"m.set_displayname": capability{true},
		"m.set_avatar_url":  capability{true},
	}})
	return nil
}

// empty answers that there is none of what was asked for: no bridge, no TURN server.
func empty(w http.ResponseWriter, _ *http.Request, _ internalauth.Identity) error {
	mxhttp.WriteJSON(w, http.StatusOK, mxhttp.Empty{})
	return nil
}
