package desired

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// NetworkPolicy lets connect to the homeserver's pods: everybody to the public port, which only gateways serve; the
// homeserver's own workers, the operator and the metrics adapter to the internal port; all pods of the cluster to metrics. The kubelet's probes
// are not subject to policies. Where pods connect to is left open: only the cluster's owner knows where Postgres and Redis
// are, and federation is with everybody. operator is the operator's namespace, and the metrics adapter's; empty: any.
func NetworkPolicy(h Homeserver, operator string, o Owner) *networkingv1ac.NetworkPolicyApplyConfiguration {
	everywhere := metav1ac.LabelSelector()
	where := metav1ac.LabelSelector()
	if operator != "" {
		where.WithMatchLabels(map[string]string{corev1.LabelMetadataName: operator})
	}
	pods := func(set labels.Set) *metav1ac.LabelSelectorApplyConfiguration {
		return metav1ac.LabelSelector().WithMatchLabels(set)
	}
	port := func(number int32) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
		return networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(number))
	}
	askers := pods(labels.Set{labelName: appName}).WithMatchExpressions(metav1ac.LabelSelectorRequirement().
		WithKey(labelComponent).WithOperator(metav1.LabelSelectorOpIn).WithValues("operator", "metrics-adapter"))
	return networkingv1ac.NetworkPolicy(h.Name, h.Namespace).
		WithLabels(managed(h.Name)).
		WithOwnerReferences(o.reference()).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(pods(labels.Set{labelName: appName, v1alpha1.LabelHomeserver: h.Name})).
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(
				networkingv1ac.NetworkPolicyIngressRule().WithPorts(port(publicPort)),
				networkingv1ac.NetworkPolicyIngressRule().WithPorts(port(internalPort)).WithFrom(
					networkingv1ac.NetworkPolicyPeer().WithPodSelector(pods(WorkerPods(h.Name))),
					networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(where).WithPodSelector(askers)),
				networkingv1ac.NetworkPolicyIngressRule().WithPorts(port(probePort)).WithFrom(
					networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(everywhere))))
}
