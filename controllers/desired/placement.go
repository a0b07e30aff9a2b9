package desired

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Amounts of processor time and memory; nil is unset.
type Amounts struct{ CPU, Memory *resource.Quantity }

func resources(requests, limits Amounts) *corev1ac.ResourceRequirementsApplyConfiguration {
	r := corev1ac.ResourceRequirements()
	if l := requests.list(); l != nil {
		r.WithRequests(l)
	}
	if l := limits.list(); l != nil {
		r.WithLimits(l)
	}
	return r
}

func (a Amounts) list() corev1.ResourceList {
	var l corev1.ResourceList
	for name, q := range map[corev1.ResourceName]*resource.Quantity{corev1.ResourceCPU: a.CPU, corev1.ResourceMemory: a.Memory} {
		if q != nil {
			if l == nil {
				l = corev1.ResourceList{}
			}
			l[name] = *q
		}
	}
	return l
}

// place says which nodes the pod may run on.
func place(pod *corev1ac.PodSpecApplyConfiguration, selector map[string]v1alpha1.LabelValue, tolerations []v1alpha1.Toleration) {
	for k, v := range selector {
		pod.WithNodeSelector(map[string]string{k: string(v)})
	}
	for _, t := range tolerations {
		ac := corev1ac.Toleration().WithOperator(corev1.TolerationOperator(t.Operator))
		if t.Key != "" {
			ac.WithKey(t.Key)
		}
		if t.Value != "" {
			ac.WithValue(t.Value)
		}
		if t.Effect != "" {
			ac.WithEffect(corev1.TaintEffect(t.Effect))
		}
		if t.TolerationSeconds != nil {
			ac.WithTolerationSeconds(*t.TolerationSeconds)
		}
		pod.WithTolerations(ac)
	}
}

// spread spreads the pods that the selector selects.
func spread(pod *corev1ac.PodSpecApplyConfiguration, over []v1alpha1.TopologySpread, selector labels.Set) {
	for _, t := range over {
		pod.WithTopologySpreadConstraints(corev1ac.TopologySpreadConstraint().
			WithMaxSkew(t.MaxSkew).WithTopologyKey(t.TopologyKey).
			WithWhenUnsatisfiable(corev1.UnsatisfiableConstraintAction(t.WhenUnsatisfiable)).
			WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(selector)))
	}
}
