package v1alpha1

// SSLMode says how a connection to Postgres is encrypted and who is believed at its other end, as libpq does.
// +kubebuilder:validation:Enum=disable;require;verify-ca;verify-full
type SSLMode string

const (
	SSLDisable    SSLMode = "disable"
	SSLRequire    SSLMode = "require"
	SSLVerifyCA   SSLMode = "verify-ca"
	SSLVerifyFull SSLMode = "verify-full"
)

// Postgres says where the database is: by a URI in a Secret, or by its parts.
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.parts)",message="postgres must have either secretRef, which names a URI, or parts"
// +kubebuilder:validation:XValidation:rule="!has(self.caSecretRef) || !has(self.caConfigMapRef)",message="postgres must have at most one of caSecretRef and caConfigMapRef"
type Postgres struct {
	// secretRef names the Secret key that holds the URI, as in postgres://user:password@host:5432/name. Only the Secret's
	// content may point elsewhere, and only to the same database: another one is refused with DatabaseIdentityChanged.
	// +optional
	SecretRef *URISecretRef `json:"secretRef,omitempty"`
	// parts say where the database is without a URI; user and password are in a Secret.
	// +optional
	Parts *PostgresParts `json:"parts,omitempty"`
	// caSecretRef names the certificates, in PEM, that the database's certificate is checked with. CloudNativePG writes
	// them into the Secret <cluster>-ca under the key "ca.crt".
	// +optional
	CASecretRef *SecretKeyRef `json:"caSecretRef,omitempty"`
	// caConfigMapRef names them in a ConfigMap, as trust-manager writes bundles, in place of caSecretRef.
	// +optional
	CAConfigMapRef *ConfigMapKeyRef `json:"caConfigMapRef,omitempty"`
}

// PostgresParts say where the database is, and who to be there.
// +kubebuilder:validation:XValidation:rule="!self.host.contains('/')",message="host must be a DNS name or an IP address: workers share no socket with the database"
type PostgresParts struct {
	// host is the database's DNS name or IP address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.contains('/') || self.matches('^([0-9A-Za-z_]([0-9A-Za-z._-]*[0-9A-Za-z_.])?|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$')",message="host must be one DNS name or IP address, without a port, brackets, blanks and commas"
	Host string `json:"host"`
	// port that Postgres listens on.
	// +optional
	// +kubebuilder:default=5432
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// database is the database's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database"`
	// sslMode says how the connection is encrypted: disable, require (encrypted, to whoever answers), verify-ca or
	// verify-full (encrypted, and the certificate checked; the latter checks the host's name too).
	// +optional
	// +kubebuilder:default=require
	SSLMode SSLMode `json:"sslMode,omitempty"`
	// credentialsSecretRef names the Secret with user and password.
	// +required
	CredentialsSecretRef CredentialsSecretRef `json:"credentialsSecretRef"`
}
