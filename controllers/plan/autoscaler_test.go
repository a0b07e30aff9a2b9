package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// autoscalers are conditions as Kubernetes' controller writes them.
var autoscalers = map[string][]plan.AutoscalerCondition{
	"new": nil,
	"active": {
		{Type: "AbleToScale", True: true, Reason: "ReadyForNewScale", Message: "recommended size matches current size"},
		{Type: "ScalingActive", True: true, Reason: "ValidMetricFound", Message: "the HPA was able to successfully calculate a replica count from external metric myelin_lag_milliseconds"},
		{Type: "ScalingLimited", Reason: "DesiredWithinRange", Message: "the desired count is within the acceptable range"},
	},
	"idle": {
		{Type: "AbleToScale", True: true, Reason: "ReadyForNewScale"}, {Type: "ScalingActive", True: true, Reason: "ValidMetricFound"},
		{Type: "ScalingLimited", True: true, Reason: "TooFewReplicas", Message: "the desired replica count is less than the minimum replica count"},
	},
	"at its most": {
		{Type: "AbleToScale", True: true, Reason: "ReadyForNewScale"}, {Type: "ScalingActive", True: true, Reason: "ValidMetricFound"},
		{Type: "ScalingLimited", True: true, Reason: "TooManyReplicas", Message: "the desired replica count is more than the maximum replica count"},
	},
	"lag unknown": {
		{Type: "AbleToScale", True: true, Reason: "SucceededGetScale"},
		{Type: "ScalingActive", Reason: "FailedGetExternalMetric", Message: "the HPA was unable to compute the replica count: unable to get external metric " +
			"chat/myelin_lag_milliseconds/&LabelSelector{...}: unable to fetch metrics from external metrics API: the lag is not known: the heartbeat of worker p-0 is overdue"},
	},
	"no adapter": {
		{Type: "AbleToScale", True: true, Reason: "SucceededGetScale"},
		{Type: "ScalingActive", Reason: "FailedGetExternalMetric", Message: "the HPA was unable to compute the replica count: unable to get external metric " +
			"chat/myelin_lag_milliseconds/&LabelSelector{...}: unable to fetch metrics from external metrics API: the server could not find the requested resource"},
	},
	"no metrics server": {
		{Type: "AbleToScale", True: true, Reason: "SucceededGetScale"},
		{Type: "ScalingActive", Reason: "FailedGetResourceMetric", Message: "the HPA was unable to compute the replica count: failed to get cpu utilization: " +
			"unable to get metrics for resource cpu: no metrics returned from resource metrics API"},
	},
	"at 0": {
		{Type: "AbleToScale", True: true, Reason: "SucceededGetScale"},
		{Type: "ScalingActive", Reason: "ScalingDisabled", Message: "scaling is disabled since the replica count of the target is zero"},
	},
	"no scale": {
		{Type: "AbleToScale", Reason: "FailedGetScale", Message: "the HPA controller was unable to get the target's current scale: workerpools.myelin.dev \"p\" not found"},
	},
}

func TestWhatAnAutoscalerDoesIsTold(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		"new":               {"Unknown", v1alpha1.ReasonAutoscalerUnanswered, "wait"},
		"active":            {"True", v1alpha1.ReasonAutoscalingActive, "sets the pool's replicas"},
		"idle":              {"True", v1alpha1.ReasonAutoscalingActive, "sets the pool's replicas"},
		"at its most":       {"True", v1alpha1.ReasonAutoscalingLimited, "autoscaling.maxReplicas"},
		"lag unknown":       {"False", v1alpha1.ReasonLagUnknown, "(the heartbeat of worker p-0 is overdue)."},
		"no adapter":        {"False", v1alpha1.ReasonMetricsUnavailable, "the server could not find the requested resource."},
		"no metrics server": {"False", v1alpha1.ReasonMetricsUnavailable, "metrics server"},
		"at 0":              {"False", v1alpha1.ReasonScaledToZero, "scale it to 1 or more"},
		"no scale":          {"False", v1alpha1.ReasonAutoscalerFailed, "not found."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conditions, known := autoscalers[name]
			require.True(t, known)
			v := plan.Autoscaling(plan.AutoscalerSeen{Conditions: conditions})
			require.Equal(t, want.status, v.Status)
			require.Equal(t, want.reason, v.Reason)
			require.Contains(t, v.Message, want.says)
		})
	}
}

// An autoscaler that gets no lag goes by CPU where that asks for as many workers or more, and calls itself active.
func TestAnAutoscalerThatGoesByCPUAloneIsTold(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"active", "idle", "at its most"} {
		v := plan.Autoscaling(plan.AutoscalerSeen{Conditions: autoscalers[name], LagMissing: true})
		require.Equal(t, metav1.ConditionFalse, v.Status)
		require.Equal(t, v1alpha1.ReasonLagUnknown, v.Reason)
		require.Contains(t, v.Message, "CPU alone, which may make it grow")
	}
	for _, name := range []string{"lag unknown", "no adapter", "at 0", "no scale", "new"} {
		require.Equal(t, plan.Autoscaling(plan.AutoscalerSeen{Conditions: autoscalers[name]}),
			plan.Autoscaling(plan.AutoscalerSeen{Conditions: autoscalers[name], LagMissing: true}), name)
	}
}

func TestAChangeOfAutoscalingIsToldOnce(t *testing.T) {
	t.Parallel()
	of := func(name string) *metav1.Condition {
		v := plan.Autoscaling(plan.AutoscalerSeen{Conditions: autoscalers[name]})
		return &metav1.Condition{Status: v.Status, Reason: v.Reason, Message: v.Message}
	}
	require.Nil(t, plan.AutoscalingNotice(nil, nil), "none is asked for")
	require.Nil(t, plan.AutoscalingNotice(nil, of("new")))
	require.Nil(t, plan.AutoscalingNotice(of("active"), nil), "it was switched off")
	require.Nil(t, plan.AutoscalingNotice(of("active"), of("idle")))
	got := plan.AutoscalingNotice(of("active"), of("lag unknown"))
	require.Equal(t, v1alpha1.ReasonLagUnknown, got.Reason)
	require.True(t, got.Warning)
	require.False(t, plan.AutoscalingNotice(of("lag unknown"), of("active")).Warning)
}
