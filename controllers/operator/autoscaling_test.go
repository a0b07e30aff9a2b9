package operator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

const autoscaled = `{spec: {autoscaling: {maxReplicas: 8, lagTargetMilliseconds: 500}}}`

func TestValidationOfAutoscaling(t *testing.T) {
	t.Parallel()
	with := func(fields string, refusal ...string) example {
		return example{base: poolYAML, change: `{spec: {autoscaling: {` + fields + `}}}`, refusal: refusal}
	}
	down := func(rules string, refusal ...string) example {
		return with(`maxReplicas: 8, lagTargetMilliseconds: 500, behavior: {scaleDown: {`+rules+`}}`, refusal...)
	}
	judge(t, map[string]example{
		"lag": with(`maxReplicas: 8, lagTargetMilliseconds: 500`),
		"cpu": with(`maxReplicas: 8, cpuTargetUtilization: 80`),
		"all": with(`minReplicas: 2, maxReplicas: 300, lagTargetMilliseconds: 10, cpuTargetUtilization: 1000, behavior: {
			scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [{type: Percent, value: 100, periodSeconds: 15}]},
			scaleDown: {stabilizationWindowSeconds: 3600, selectPolicy: Disabled}}`),
		"min is max": with(`minReplicas: 3, maxReplicas: 3, lagTargetMilliseconds: 600000`),
		"lag of a pool of several roles": {base: poolYAML,
			change: `{spec: {roles: [gateway, sync], autoscaling: {maxReplicas: 8, lagTargetMilliseconds: 500}}}`},
		"cpu of gateways": {base: poolYAML, change: `{spec: {roles: [gateway], autoscaling: {maxReplicas: 8, cpuTargetUtilization: 80}}}`},
		"no max":          with(`lagTargetMilliseconds: 500`, "spec.autoscaling.maxReplicas", "Required"),
		"no target":       with(`maxReplicas: 8`, "spec.autoscaling", "lagTargetMilliseconds or cpuTargetUtilization is required"),
		"min above max":   with(`minReplicas: 9, maxReplicas: 8, lagTargetMilliseconds: 500`, "spec.autoscaling", "minReplicas must not be above maxReplicas"),
		"min 0":           with(`minReplicas: 0, maxReplicas: 8, lagTargetMilliseconds: 500`, "spec.autoscaling.minReplicas", "greater than or equal to 1"),
		"max too large":   with(`maxReplicas: 301, lagTargetMilliseconds: 500`, "spec.autoscaling.maxReplicas", "300"),
		"lag too small":   with(`maxReplicas: 8, lagTargetMilliseconds: 9`, "spec.autoscaling.lagTargetMilliseconds", "10"),
		"lag too large":   with(`maxReplicas: 8, lagTargetMilliseconds: 600001`, "spec.autoscaling.lagTargetMilliseconds", "600000"),
		"cpu 0":           with(`maxReplicas: 8, cpuTargetUtilization: 0`, "spec.autoscaling.cpuTargetUtilization", "greater than or equal to 1"),
		"lag of gateways": {base: poolYAML, change: `{spec: {roles: [gateway], autoscaling: {maxReplicas: 8, lagTargetMilliseconds: 500}}}`,
			refusal: []string{"spec", "needs the role persister or sync"}},
		"cpu without a request": {base: poolYAML,
			change:  `{spec: {resources: {limits: {memory: 64Mi}}, autoscaling: {maxReplicas: 8, cpuTargetUtilization: 80}}}`,
			refusal: []string{"spec", "needs resources.requests.cpu"}},
		"window":        down(`stabilizationWindowSeconds: 3601`, "stabilizationWindowSeconds", "3600"),
		"select policy": down(`selectPolicy: Most`, "selectPolicy", "Disabled"),
		"no policies":   down(`policies: []`, "policies", "at least 1"),
		"policy type":   down(`policies: [{type: Nodes, value: 1, periodSeconds: 60}]`, "policies[0].type", "Percent"),
		"policy value":  down(`policies: [{type: Pods, value: 0, periodSeconds: 60}]`, "policies[0].value", "greater than or equal to 1"),
		"policy period": down(`policies: [{type: Pods, value: 1, periodSeconds: 1801}]`, "policies[0].periodSeconds", "1800"),
		"no period":     down(`policies: [{type: Pods, value: 1}]`, "policies[0].periodSeconds", "Required"),
	})
}

// autoscaler waits until the pool has an autoscaler, or none.
func (s *space) autoscaler(pool string, want bool) *autoscalingv2.HorizontalPodAutoscaler {
	s.t.Helper()
	var hpa autoscalingv2.HorizontalPodAutoscaler
	s.eventually(func() string {
		err := cluster.Get(s.t.Context(), types.NamespacedName{Namespace: s.name, Name: pool}, &hpa)
		switch {
		case err != nil && !apierrors.IsNotFound(err):
			return err.Error()
		case want != (err == nil):
			return "the autoscaler is as before"
		}
		return ""
	})
	return &hpa
}

// tells has the autoscaler say what Kubernetes' controller would.
func (s *space) tells(pool string, c autoscalingv2.HorizontalPodAutoscalerCondition, metrics ...autoscalingv2.MetricStatus) {
	s.t.Helper()
	hpa := s.autoscaler(pool, true)
	before := hpa.DeepCopy()
	hpa.Status.CurrentMetrics = metrics
	hpa.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: "SucceededGetScale"}, c}
	require.NoError(s.t, cluster.Status().Patch(s.t.Context(), hpa, client.MergeFrom(before)))
}

var activelyScaling = autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound"}

// applied applies the pool as kubectl apply --server-side does.
func (s *space) applied(change string) {
	s.t.Helper()
	s.appliedBy("somebody", object(s.t, poolYAML, change))
}

func (s *space) appliedBy(who string, wp *unstructured.Unstructured) {
	s.t.Helper()
	wp.SetNamespace(s.name)
	require.NoError(s.t, cluster.Apply(s.t.Context(), client.ApplyConfigurationFromUnstructured(wp), client.FieldOwner(who)))
}

// docs/autoscaling.md tells people to do so.
func TestReplicasAreHandedOverToTheAutoscaler(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applied(`{spec: {replicas: 3}}`)
	s.appliedBy("handover", object(t, `{apiVersion: myelin.dev/v1alpha1, kind: WorkerPool, metadata: {name: demo-persister}, spec: {replicas: 3}}`, `{}`))
	s.applied(autoscaled)
	has := func(want int32) {
		t.Helper()
		var wp v1alpha1.WorkerPool
		s.get("demo-persister", &wp)
		require.Equal(t, want, *wp.Spec.Replicas)
	}
	has(3)
	s.scale("demo-persister", 5)
	s.applied(`{spec: {autoscaling: {maxReplicas: 9, lagTargetMilliseconds: 500}}}`)
	has(5)
}

func TestAutoscalerComesAndGoesWithTheSpecAndReplicasStay(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.applied(autoscaled)
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
	hpa := s.autoscaler("demo-persister", true)
	require.Equal(t, autoscalingv2.CrossVersionObjectReference{APIVersion: "myelin.dev/v1alpha1", Kind: "WorkerPool", Name: "demo-persister"}, hpa.Spec.ScaleTargetRef)
	require.Equal(t, []int32{1, 8}, []int32{*hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas})
	external := hpa.Spec.Metrics[0].External
	require.Equal(t, desired.LagMetric, external.Metric.Name)
	require.Equal(t, map[string]string{"myelin.dev/homeserver": "demo", "myelin.dev/pool": "demo-persister"}, external.Metric.Selector.MatchLabels)
	require.Equal(t, int64(500), external.Target.AverageValue.Value())
	s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "Unknown", v1alpha1.ReasonAutoscalerUnanswered)

	s.scale("demo-persister", 4) // as the autoscaler does
	s.wantReplicas("demo-persister", 4)
	s.applied(`{spec: {autoscaling: {maxReplicas: 6, lagTargetMilliseconds: 250, cpuTargetUtilization: 80}}}`)
	changed := func() string {
		hpa := s.autoscaler("demo-persister", true)
		if hpa.Spec.MaxReplicas != 6 || len(hpa.Spec.Metrics) != 2 || hpa.Spec.Metrics[0].External.Target.AverageValue.Value() != 250 {
			return fmt.Sprintf("the autoscaler has %+v", hpa.Spec)
		}
		return ""
	}
	s.eventually(changed)
	var wp v1alpha1.WorkerPool
	s.get("demo-persister", &wp)
	require.Equal(t, int32(4), *wp.Spec.Replicas, "neither an apply without replicas nor the operator sets them")

	hpa = s.autoscaler("demo-persister", true)
	before := hpa.DeepCopy()
	hpa.Spec.MaxReplicas = 100
	require.NoError(t, cluster.Patch(t.Context(), hpa, client.MergeFrom(before)))
	s.eventually(changed) // it is undone

	s.applied(`{}`)
	s.autoscaler("demo-persister", false)
	s.eventually(func() string {
		s.get("demo-persister", &wp)
		if meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionAutoscaling) != nil {
			return "the condition is still there"
		}
		return ""
	})
	require.Equal(t, int32(4), *wp.Spec.Replicas, "what the autoscaler decided stays")
	s.scale("demo-persister", 5)
	s.wantReplicas("demo-persister", 5)
	s.get("demo-persister", &wp)
	require.Equal(t, int32(5), *wp.Spec.Replicas, "nobody fights who scales by hand")
}

// activelyScaled makes a homeserver whose autoscaler sets the persisters' replicas.
func (s *space) activelyScaled() {
	s.t.Helper()
	s.migrated(autoscaled)
	s.tells("demo-persister", activelyScaling)
	s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "True", v1alpha1.ReasonAutoscalingActive)
}

func TestThePoolTellsWhyItIsNotAutoscaled(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.activelyScaled()
	s.tells("demo-persister", autoscalingv2.HorizontalPodAutoscalerCondition{
		Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "FailedGetExternalMetric",
		Message: "unable to fetch metrics from external metrics API: the lag is not known: the pool has no worker",
	})
	wp := s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "False", v1alpha1.ReasonLagUnknown)
	require.Contains(t, meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionAutoscaling).Message, "(the pool has no worker)")
	require.Equal(t, "Warning", s.event(v1alpha1.ReasonLagUnknown, "demo-persister").Type)
	s.tells("demo-persister", activelyScaling)
	s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "True", v1alpha1.ReasonAutoscalingActive)
}

// Kubernetes' controller calls itself active if one metric is enough to go by, and leaves the entry of the other empty.
func TestThePoolTellsThatItFollowsItsCPUAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated(`{spec: {autoscaling: {maxReplicas: 8, lagTargetMilliseconds: 500, cpuTargetUtilization: 80}}}`)
	var (
		missing autoscalingv2.MetricStatus
		share   int32
		lag     = autoscalingv2.MetricStatus{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricStatus{
			Metric: autoscalingv2.MetricIdentifier{Name: desired.LagMetric},
		}}
		cpu = autoscalingv2.MetricStatus{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricStatus{
			Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: &share},
		}}
	)
	is := func(status metav1.ConditionStatus, reason string) {
		t.Helper()
		s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, status, reason)
	}
	s.tells("demo-persister", activelyScaling, missing, cpu)
	is("False", v1alpha1.ReasonLagUnknown)
	s.tells("demo-persister", activelyScaling, lag, cpu)
	is("True", v1alpha1.ReasonAutoscalingActive)
	s.tells("demo-persister", activelyScaling, missing, cpu)
	is("False", v1alpha1.ReasonLagUnknown)
	s.tells("demo-persister", activelyScaling, lag, missing) // no metrics-server: the pool follows its lag
	is("True", v1alpha1.ReasonAutoscalingActive)
	s.tells("demo-persister", activelyScaling, missing, cpu)
	is("False", v1alpha1.ReasonLagUnknown)
	s.tells("demo-persister", activelyScaling, cpu) // of a look before the lag was asked for
	is("True", v1alpha1.ReasonAutoscalingActive)
	s.tells("demo-persister", activelyScaling, missing, cpu)
	is("False", v1alpha1.ReasonLagUnknown)
	s.tells("demo-persister", activelyScaling) // it did not look: the pool was above maxReplicas
	is("True", v1alpha1.ReasonAutoscalingActive)
}

// The operator changes no autoscaler then, but others go on working by it.
func TestWhileAHomeserverIsPausedThePoolGoesOnTellingHowItIsAutoscaled(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.activelyScaled()
	var hs v1alpha1.Homeserver
	s.pause(&hs, "demo", "true")
	s.poolCondition("demo-persister", v1alpha1.ConditionPaused, "True", v1alpha1.ReasonPaused)
	s.tells("demo-persister", autoscalingv2.HorizontalPodAutoscalerCondition{
		Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "FailedGetExternalMetric", Message: "the lag is not known: the pool has no worker",
	})
	s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "False", v1alpha1.ReasonLagUnknown)
	wp := &v1alpha1.WorkerPool{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-persister"}}
	require.NoError(t, cluster.Patch(t.Context(), wp, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"autoscaling":{"maxReplicas":6}}}`))))
	s.tells("demo-persister", activelyScaling)
	s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "True", v1alpha1.ReasonAutoscalingActive)
	require.Equal(t, int32(8), s.autoscaler("demo-persister", true).Spec.MaxReplicas, "it is left alone")
	s.pause(&hs, "demo", "-")
	s.eventually(func() string { return differs(6, s.autoscaler("demo-persister", true).Spec.MaxReplicas) })
}

// The autoscaler's status changes every few seconds; the pool's does not.
func TestNothingIsWrittenWhileTheAutoscalerSaysTheSame(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.activelyScaled()
	wp := s.allReady("demo-persister", 1)
	for i := range 5 {
		c := activelyScaling
		c.Message = fmt.Sprint("look ", i)
		c.LastTransitionTime = metav1.Now()
		s.tells("demo-persister", c)
	}
	told := s.autoscaler("demo-persister", true).ResourceVersion
	s.scale("demo-persister", 2) // one more change, which is told when those before have been looked at
	s.wantReplicas("demo-persister", 2)
	var after v1alpha1.WorkerPool
	s.eventually(func() string {
		if s.get("demo-persister", &after); after.Status.ObservedGeneration != after.Generation {
			return "not looked at"
		}
		return ""
	})
	is := func(wp v1alpha1.WorkerPool) metav1.Condition {
		c := *meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionAutoscaling)
		c.ObservedGeneration = 0
		return c
	}
	require.Equal(t, is(wp), is(after))
	require.Equal(t, told, s.autoscaler("demo-persister", true).ResourceVersion, "the autoscaler was not applied again")
}

func TestAForeignAutoscalerIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	yes := true
	foreign := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "demo-persister", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "example.org/v1", Kind: "Other", Name: "other", UID: "1", Controller: &yes,
		}}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "other"}, MaxReplicas: 3,
		},
	}
	s.create(foreign)
	s.migrated(autoscaled)
	s.poolCondition("demo-persister", v1alpha1.ConditionAutoscaling, "False", v1alpha1.ReasonNameTaken)
	s.allReady("demo-persister", 1)
	require.Equal(t, foreign.ResourceVersion, s.autoscaler("demo-persister", true).ResourceVersion)
	wp := &v1alpha1.WorkerPool{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-persister"}}
	require.NoError(t, cluster.Patch(t.Context(), wp, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"autoscaling":null}}`))))
	s.eventually(func() string {
		if s.get("demo-persister", wp); meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionAutoscaling) != nil {
			return "the condition is still there"
		}
		return ""
	})
	require.Equal(t, foreign.ResourceVersion, s.autoscaler("demo-persister", true).ResourceVersion)
}
