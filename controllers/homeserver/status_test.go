package homeserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// What no watch tells of is tried again by the clock: what Gateways say is told by one.
func TestWhatHealsUnseenIsTriedAgain(t *testing.T) {
	t.Parallel()
	missing, routeRefused, ingressRefused, made := plan.GatewayAPIMissing(), plan.RouteRefused("bad"), plan.IngressRefused("bad"), plan.IngressMade()
	unanswered := plan.Routes([]plan.RouteSeen{{Name: "demo"}})
	notAccepted := plan.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRouteNotAccepted}
	for name, test := range map[string]struct {
		d     decision
		blind bool
	}{
		"nothing asked for":  {decision{}, false},
		"forbidden secret":   {decision{secrets: plan.Verdict{Reason: v1alpha1.ReasonSecretForbidden}}, true},
		"Gateway API absent": {decision{route: &missing}, true},
		"route refused":      {decision{route: &routeRefused}, true},
		"route unanswered":   {decision{route: &unanswered}, false},
		"route not accepted": {decision{route: &notAccepted}, false},
		"Ingress refused":    {decision{ingress: &ingressRefused}, true},
		"Ingress made":       {decision{ingress: &made}, false},
	} {
		require.Equal(t, test.blind, test.d.blind(), name)
	}
}
