package v1alpha1

// Ingress is how clients and other servers outside of the cluster reach the gateways, by an Ingress of Kubernetes.
type Ingress struct {
	// className names the IngressClass. The cluster's default when left out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="className must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	ClassName string `json:"className,omitempty"`
	// host at which Matrix's paths are served; publicBaseURL leads there.
	// +required
	Host IngressHost `json:"host"`
	// wellKnownHost is another host at which only /.well-known/matrix is served: the server name's, if it is not host.
	// +optional
	WellKnownHost IngressHost `json:"wellKnownHost,omitempty"`
	// tlsSecretRef names the Secret with the certificate for both hosts, as cert-manager writes it. No TLS when left out.
	// +optional
	TLSSecretRef *LocalReference `json:"tlsSecretRef,omitempty"`
	// annotations of the Ingress, which are the settings of most controllers.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// IngressHost is a DNS name.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="must be a DNS name in small letters, without a port, as in matrix.example.org"
type IngressHost string

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string
