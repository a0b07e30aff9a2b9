package plan

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// A RouteSeen is an HTTPRoute that was made, with what is said about it for each Gateway.
type RouteSeen struct {
	Name       string
	Generation int64
	Parents    []ParentSeen
}

// A ParentSeen is what a controller says about a route and one Gateway, by the Gateway API's conditions.
type ParentSeen struct {
	Gateway    string // or its listener, for the message
	Conditions []metav1.Condition
}

// GatewayAPIMissing is the verdict for a cluster that has no HTTPRoutes.
func GatewayAPIMissing() Verdict {
	return no(v1alpha1.ReasonGatewayAPIMissing, "The cluster has no HTTPRoute of gateway.networking.k8s.io/v1: add the Gateway API's "+
		"definitions and a controller for it, or remove spec.route and choose spec.ingress.")
}

// RouteRefused is the verdict for an HTTPRoute that the API server, or what it asks, does not accept.
func RouteRefused(why string) Verdict {
	return no(v1alpha1.ReasonRouteRefused, "The API server refuses the HTTPRoute; mend spec.route or spec.publicBaseURL: "+sentence(why))
}

// Routes judges what Gateways say about the routes. Each has to be accepted by one at least, and by none refused, but for its
// host: of the Gateways that a spec names some may be for the other host only.
func Routes(routes []RouteSeen) Verdict {
	for _, r := range routes {
		accepted, refusal := false, ""
		for _, p := range r.Parents {
			for _, kind := range []string{"Accepted", "ResolvedRefs"} {
				c := meta.FindStatusCondition(p.Conditions, kind)
				if c == nil || c.ObservedGeneration < r.Generation {
					continue // nothing is said yet about the route as it is
				}
				switch {
				case c.Status == metav1.ConditionTrue:
					accepted = accepted || kind == "Accepted"
				case c.Status == metav1.ConditionFalse && c.Reason == "NoMatchingListenerHostname":
					refusal = notAccepted(r.Name, p.Gateway, *c)
				case c.Status == metav1.ConditionFalse:
					return no(v1alpha1.ReasonRouteNotAccepted, notAccepted(r.Name, p.Gateway, *c))
				}
			}
		}
		if !accepted && refusal != "" {
			return no(v1alpha1.ReasonRouteNotAccepted, refusal)
		}
		if !accepted {
			return unknown(v1alpha1.ReasonRouteUnanswered, fmt.Sprintf(
				"No controller has answered for the HTTPRoute %s yet: wait, or see whether the Gateways that spec.route names exist.", r.Name))
		}
	}
	return yes(v1alpha1.ReasonRouteAccepted, "The HTTPRoutes are accepted.")
}

func notAccepted(route, gateway string, c metav1.Condition) string {
	why := c.Reason
	if c.Message != "" {
		why += ": " + c.Message
	}
	return fmt.Sprintf("The Gateway %s does not accept the HTTPRoute %s; mend spec.route, or the Gateway: %s", gateway, route, sentence(why))
}
