package v1alpha1

// Route is how clients and other servers outside of the cluster reach the gateways, by HTTPRoutes of the Gateway API. The host
// is that of publicBaseURL.
type Route struct {
	// parentRefs are the Gateways through which the homeserver is reached. Certificates are a matter of their listeners.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	ParentRefs []GatewayReference `json:"parentRefs"`
	// wellKnownHost is another host at which only /.well-known/matrix is served: the server name's, if it is not the host of
	// publicBaseURL.
	// +optional
	WellKnownHost IngressHost `json:"wellKnownHost,omitempty"`
}

// GatewayReference names a Gateway of the Gateway API, or one of its listeners.
type GatewayReference struct {
	// name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	Name string `json:"name"`
	// namespace of the Gateway, whose listeners have to allow routes from the Homeserver's. The Homeserver's own when left out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="namespace must be a namespace's name: a-z, 0-9 and -, with a letter or a digit at both ends"
	Namespace string `json:"namespace,omitempty"`
	// sectionName names a listener of the Gateway. All that fit the host when left out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="sectionName must be a listener's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	SectionName string `json:"sectionName,omitempty"`
}
