package desired

import (
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// RouteKind is the kind of what Route builds.
var RouteKind = schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}

// HTTPRoute is an apply configuration with the few fields of the Gateway API that are set here. All of them have been there
// since the first v1.
type HTTPRoute struct {
	metav1ac.TypeMetaApplyConfiguration    `json:",inline"`
	*metav1ac.ObjectMetaApplyConfiguration `json:"metadata"`
	Spec                                   httpRouteSpec `json:"spec"`
}

// IsApplyConfiguration marks it as one.
func (HTTPRoute) IsApplyConfiguration() {}

type httpRouteSpec struct {
	ParentRefs []v1alpha1.GatewayReference `json:"parentRefs"` // which has the same fields, by the same names
	Hostnames  []string                    `json:"hostnames"`
	Rules      []httpRouteRule             `json:"rules"`
}

type httpRouteRule struct {
	Matches     []httpRouteMatch `json:"matches"`
	BackendRefs []httpBackendRef `json:"backendRefs"`
}

type httpRouteMatch struct {
	Path httpPathMatch `json:"path"`
}

type httpPathMatch struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type httpBackendRef struct {
	Name string `json:"name"`
	Port int32  `json:"port"`
}

// Routes lead clients and other servers to the gateways. Only Matrix's paths are served. A host that serves fewer paths needs a
// route of its own; those of RouteNames that are not built are not wanted.
func Routes(h Homeserver, r v1alpha1.Route, o Owner) []HTTPRoute {
	const wellKnown = "/.well-known/matrix"
	names := RouteNames(h.Name)
	host := publicHost(h.PublicBaseURL)
	routes := []HTTPRoute{httpRoute(h, r, o, names[0], host, "/_matrix", wellKnown)}
	if r.WellKnownHost != "" && string(r.WellKnownHost) != host {
		routes = append(routes, httpRoute(h, r, o, names[1], string(r.WellKnownHost), wellKnown))
	}
	return routes
}

// RouteNames are the names of all the HTTPRoutes that a homeserver may have.
func RouteNames(homeserver string) []string {
	return []string{homeserver, homeserver + "-well-known"}
}

// publicHost is the URL's host, without a port; empty for what is no URL, which the API does not accept.
func publicHost(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func httpRoute(h Homeserver, r v1alpha1.Route, o Owner, name, host string, paths ...string) HTTPRoute {
	rule := httpRouteRule{BackendRefs: []httpBackendRef{{Name: h.Name, Port: 80}}}
	for _, path := range paths {
		rule.Matches = append(rule.Matches, httpRouteMatch{httpPathMatch{Type: "PathPrefix", Value: path}})
	}
	route := HTTPRoute{
		ObjectMetaApplyConfiguration: metav1ac.ObjectMeta().WithName(name).WithNamespace(h.Namespace).
			WithLabels(managed(h.Name)).WithOwnerReferences(o.reference()),
		Spec: httpRouteSpec{ParentRefs: r.ParentRefs, Hostnames: []string{host}, Rules: []httpRouteRule{rule}},
	}
	route.WithAPIVersion(RouteKind.GroupVersion().String()).WithKind(RouteKind.Kind)
	return route
}
