package desired

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// LagMetric is the external metric of a pool's lag: what lag.Pool.Signal says, in milliseconds. Its selector has the labels
// LabelHomeserver and LabelPool, and nothing else.
const LagMetric = "myelin_lag_milliseconds"

// Autoscaler sets the replicas of a WorkerPool, through its scale, by what the pool's spec asks for. It is the only one that
// writes them: neither it nor anything else that is applied names a number.
func Autoscaler(wp *v1alpha1.WorkerPool, o Owner) *autoscalingv2ac.HorizontalPodAutoscalerApplyConfiguration {
	a := wp.Spec.Autoscaling
	spec := autoscalingv2ac.HorizontalPodAutoscalerSpec().
		WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("WorkerPool").WithName(wp.Name)).
		WithMaxReplicas(a.MaxReplicas).
		WithBehavior(behavior(a.Behavior))
	if a.MinReplicas != nil {
		spec.WithMinReplicas(*a.MinReplicas)
	}
	if t := a.LagTargetMilliseconds; t != nil {
		spec.WithMetrics(autoscalingv2ac.MetricSpec().WithType(autoscalingv2.ExternalMetricSourceType).
			WithExternal(autoscalingv2ac.ExternalMetricSource().
				WithMetric(autoscalingv2ac.MetricIdentifier().WithName(LagMetric).
					WithSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{
						v1alpha1.LabelHomeserver: wp.Spec.HomeserverRef.Name, v1alpha1.LabelPool: wp.Name,
					}))).
				WithTarget(autoscalingv2ac.MetricTarget().WithType(autoscalingv2.AverageValueMetricType).
					WithAverageValue(*resource.NewQuantity(int64(*t), resource.DecimalSI)))))
	}
	if t := a.CPUTargetUtilization; t != nil {
		spec.WithMetrics(autoscalingv2ac.MetricSpec().WithType(autoscalingv2.ResourceMetricSourceType).
			WithResource(autoscalingv2ac.ResourceMetricSource().WithName(corev1.ResourceCPU).
				WithTarget(autoscalingv2ac.MetricTarget().WithType(autoscalingv2.UtilizationMetricType).WithAverageUtilization(*t))))
	}
	return autoscalingv2ac.HorizontalPodAutoscaler(wp.Name, wp.Namespace).
		WithLabels(managed(wp.Spec.HomeserverRef.Name)).
		WithOwnerReferences(o.reference()).
		WithSpec(spec)
}

// behavior is as asked for, but that a pool shrinks by one worker a minute when nothing is said: its lag is next to nothing
// until it has too few workers, so it tells when to stop, but not beforehand where.
func behavior(b *v1alpha1.AutoscalingBehavior) *autoscalingv2ac.HorizontalPodAutoscalerBehaviorApplyConfiguration {
	if b == nil {
		b = &v1alpha1.AutoscalingBehavior{}
	}
	all := autoscalingv2ac.HorizontalPodAutoscalerBehavior()
	if b.ScaleUp != nil {
		all.WithScaleUp(rules(*b.ScaleUp))
	}
	down := v1alpha1.ScalingRules{}
	if b.ScaleDown != nil {
		down = *b.ScaleDown
	}
	if len(down.Policies) == 0 && down.SelectPolicy != string(autoscalingv2.DisabledPolicySelect) {
		down.Policies = []v1alpha1.ScalingPolicy{{Type: string(autoscalingv2.PodsScalingPolicy), Value: 1, PeriodSeconds: 60}}
	}
	return all.WithScaleDown(rules(down))
}

func rules(r v1alpha1.ScalingRules) *autoscalingv2ac.HPAScalingRulesApplyConfiguration {
	all := autoscalingv2ac.HPAScalingRules()
	if r.StabilizationWindowSeconds != nil {
		all.WithStabilizationWindowSeconds(*r.StabilizationWindowSeconds)
	}
	if r.SelectPolicy != "" {
		all.WithSelectPolicy(autoscalingv2.ScalingPolicySelect(r.SelectPolicy))
	}
	for _, p := range r.Policies {
		all.WithPolicies(autoscalingv2ac.HPAScalingPolicy().
			WithType(autoscalingv2.HPAScalingPolicyType(p.Type)).WithValue(p.Value).WithPeriodSeconds(p.PeriodSeconds))
	}
	return all
}
