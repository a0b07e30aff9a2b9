package v1alpha1

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// name of the object, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	Name string `json:"name"`
}

// URISecretRef names the key of a Secret that holds a connection URI.
type URISecretRef struct {
	// name of the Secret, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	Name string `json:"name"`
	// key in the Secret that holds the URI. CloudNativePG writes "uri".
	// +optional
	// +kubebuilder:default=uri
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a Secret's key: letters, digits, -, _ and ."
	Key string `json:"key,omitempty"`
}

// SecretKeyRef names a key of a Secret.
type SecretKeyRef struct {
	// name of the Secret, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	Name string `json:"name"`
	// key in the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a Secret's key: letters, digits, -, _ and ."
	Key string `json:"key"`
}

// CredentialsSecretRef names the keys of a Secret that hold a user and a password.
type CredentialsSecretRef struct {
	// name of the Secret, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be an object's name: a-z, 0-9, - and ., with a letter or a digit at both ends"
	Name string `json:"name"`
	// usernameKey is the key in the Secret that holds the user's name.
	// +optional
	// +kubebuilder:default=username
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="usernameKey must be a Secret's key: letters, digits, -, _ and ."
	UsernameKey string `json:"usernameKey,omitempty"`
	// passwordKey is the key in the Secret that holds the password.
	// +optional
	// +kubebuilder:default=password
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="passwordKey must be a Secret's key: letters, digits, -, _ and ."
	PasswordKey string `json:"passwordKey,omitempty"`
}
