package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestRoutesAreAcceptedWhenGatewaysSaySo(t *testing.T) {
	t.Parallel()
	says := func(gateway string, conditions ...metav1.Condition) plan.ParentSeen {
		return plan.ParentSeen{Gateway: gateway, Conditions: conditions}
	}
	said := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, ObservedGeneration: 2}
	}
	yes, otherHost := said("Accepted", "True", "Accepted"), said("Accepted", "False", "NoMatchingListenerHostname")
	forbidden, unresolved := said("Accepted", "False", "NotAllowedByListeners"), said("ResolvedRefs", "False", "BackendNotFound")
	old := yes
	old.ObservedGeneration = 1
	for name, test := range map[string]struct {
		parents []plan.ParentSeen
		reason  string
		says    string // part of the message
	}{
		"nobody answers":           {nil, v1alpha1.ReasonRouteUnanswered, "HTTPRoute demo "},
		"accepted":                 {[]plan.ParentSeen{says("a", yes)}, v1alpha1.ReasonRouteAccepted, "accepted"},
		"accepted as it was":       {[]plan.ParentSeen{says("a", old)}, v1alpha1.ReasonRouteUnanswered, "HTTPRoute demo "},
		"one of two answers":       {[]plan.ParentSeen{says("a", yes), says("b")}, v1alpha1.ReasonRouteAccepted, "accepted"},
		"one of two forbids":       {[]plan.ParentSeen{says("a", yes), says("b", forbidden)}, v1alpha1.ReasonRouteNotAccepted, "Gateway b "},
		"one is for another host":  {[]plan.ParentSeen{says("a", otherHost), says("b", yes)}, v1alpha1.ReasonRouteAccepted, "accepted"},
		"all are for another host": {[]plan.ParentSeen{says("a", otherHost)}, v1alpha1.ReasonRouteNotAccepted, "NoMatchingListenerHostname"},
		"no backend":               {[]plan.ParentSeen{says("a", yes, unresolved)}, v1alpha1.ReasonRouteNotAccepted, "BackendNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := plan.RouteSeen{Name: "first", Generation: 2, Parents: []plan.ParentSeen{says("a", yes)}}
			v := plan.Routes([]plan.RouteSeen{first, {Name: "demo", Generation: 2, Parents: test.parents}})
			require.Equal(t, test.reason, v.Reason)
			require.Contains(t, v.Message, test.says)
		})
	}
}
