package v1alpha1

// NetworkPolicyMode says which NetworkPolicy the operator makes for a homeserver's pods.
// +kubebuilder:validation:Enum=None;Ingress
type NetworkPolicyMode string

const (
	// NetworkPolicyNone: none; what others made stays.
	NetworkPolicyNone NetworkPolicyMode = "None"
	// NetworkPolicyIngress: one for who may connect to the pods.
	NetworkPolicyIngress NetworkPolicyMode = "Ingress"
)
