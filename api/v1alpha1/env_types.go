package v1alpha1

// EnvVar is an environment variable of the workers.
// +kubebuilder:validation:XValidation:rule="!self.name.startsWith('MYELIN_') && !self.name.startsWith('PG') && !(self.name in ['POD_NAME', 'POD_IP', 'GOMEMLIMIT'])",message="env must not have MYELIN_…, PG…, POD_NAME, POD_IP or GOMEMLIMIT: the operator sets them from the fields of the specs"
// +kubebuilder:validation:XValidation:rule="!has(self.value) || !has(self.valueFrom)",message="env must have value or valueFrom, not both"
type EnvVar struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`
	// value of the variable. It is no place for a secret: whoever may read the WorkerPool may read it.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
	// valueFrom takes the value from a Secret or a ConfigMap, when a pod starts: to take up a change, restart the pods.
	// +optional
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource is where the value of an environment variable is.
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="valueFrom must have either secretKeyRef or configMapKeyRef"
type EnvVarSource struct {
	// secretKeyRef names a key of a Secret.
	// +optional
	SecretKeyRef *SecretKeyRef `json:"secretKeyRef,omitempty"`
	// configMapKeyRef names a key of a ConfigMap.
	// +optional
	ConfigMapKeyRef *ConfigMapKeyRef `json:"configMapKeyRef,omitempty"`
}

// ConfigMapKeyRef names a key of a ConfigMap.
type ConfigMapKeyRef struct {
	// name of the ConfigMap, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	Name string `json:"name"`
	// key in the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a ConfigMap's key: letters, digits, -, _ and ."
	Key string `json:"key"`
}
