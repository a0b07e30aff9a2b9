package v1alpha1

// RedisMode says how servers of Redis stand to each other.
// +kubebuilder:validation:Enum=standalone;sentinel;cluster
type RedisMode string

const (
	RedisStandalone RedisMode = "standalone"
	RedisSentinel   RedisMode = "sentinel"
	RedisCluster    RedisMode = "cluster"
)

// RedisTLS says how a connection to Redis is encrypted and who is believed at its other end.
// +kubebuilder:validation:Enum=disable;verify-full
type RedisTLS string

const (
	RedisTLSDisable    RedisTLS = "disable"
	RedisTLSVerifyFull RedisTLS = "verify-full"
)

// Redis says where Redis is: by a URI in a Secret, or by its parts.
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.parts)",message="redis must have either secretRef, which names a URI, or parts"
// +kubebuilder:validation:XValidation:rule="!has(self.caSecretRef) && !has(self.caConfigMapRef) || !has(self.parts) || self.parts.tls == 'verify-full'",message="redis.caSecretRef and redis.caConfigMapRef are only used when redis.parts.tls is verify-full: set it or remove the reference"
// +kubebuilder:validation:XValidation:rule="!has(self.caSecretRef) || !has(self.caConfigMapRef)",message="redis must have at most one of caSecretRef and caConfigMapRef"
type Redis struct {
	// secretRef names the Secret key that holds the URI: redis://user:password@host:6379/0 for one server,
	// redis+sentinel://user:password@host:26379,host:26379/0?master=name for the server that Sentinels name, or
	// redis+cluster://user:password@host:6379,host:6379 for a cluster; rediss instead of redis for TLS.
	// +optional
	SecretRef *URISecretRef `json:"secretRef,omitempty"`
	// parts say where Redis is without a URI; passwords are in Secrets.
	// +optional
	Parts *RedisParts `json:"parts,omitempty"`
	// caSecretRef names the certificates, in PEM, that those of servers and Sentinels are checked with. The system's of the
	// image when left out.
	// +optional
	CASecretRef *SecretKeyRef `json:"caSecretRef,omitempty"`
	// caConfigMapRef names them in a ConfigMap, as trust-manager writes bundles, in place of caSecretRef.
	// +optional
	CAConfigMapRef *ConfigMapKeyRef `json:"caConfigMapRef,omitempty"`
}

// RedisParts say where Redis is, and who to be there.
// +kubebuilder:validation:XValidation:rule="self.mode != 'standalone' || size(self.hosts) == 1",message="hosts must be one when mode is standalone: choose sentinel or cluster for several"
// +kubebuilder:validation:XValidation:rule="(self.mode == 'sentinel') == has(self.masterName)",message="masterName is required when mode is sentinel, and used for nothing else"
// +kubebuilder:validation:XValidation:rule="self.mode == 'sentinel' || !has(self.sentinelPasswordSecretRef)",message="sentinelPasswordSecretRef is only used when mode is sentinel: set the mode or remove the reference"
// +kubebuilder:validation:XValidation:rule="self.mode != 'cluster' || self.database == 0",message="database must be 0 when mode is cluster, which has no other"
// +kubebuilder:validation:XValidation:rule="!has(self.username) || has(self.passwordSecretRef)",message="passwordSecretRef is required with username"
type RedisParts struct {
	// mode is standalone (one server), sentinel (the server that Sentinels name, which changes when it fails) or cluster.
	// +optional
	// +kubebuilder:default=standalone
	Mode RedisMode `json:"mode,omitempty"`
	// hosts are host:port of the server, of the Sentinels, or of some nodes of the cluster.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Hosts []RedisHost `json:"hosts"`
	// masterName is the name under which the Sentinels know the servers, for mode sentinel.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$')",message="masterName must use only letters, digits, dots, underscores and hyphens, as Sentinels demand"
	MasterName string `json:"masterName,omitempty"`
	// tls says how connections are encrypted, those to Sentinels too: disable, or verify-full (encrypted, and the
	// certificate and its host's name checked).
	// +optional
	// +kubebuilder:default=disable
	TLS RedisTLS `json:"tls,omitempty"`
	// database is the number of the database.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Database int32 `json:"database,omitempty"`
	// username is whom to be. Redis's user "default" when left out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Username string `json:"username,omitempty"`
	// passwordSecretRef names the password. None when left out.
	// +optional
	PasswordSecretRef *SecretKeyRef `json:"passwordSecretRef,omitempty"`
	// sentinelPasswordSecretRef names the password of the Sentinels themselves, for mode sentinel. None when left out.
	// +optional
	SentinelPasswordSecretRef *SecretKeyRef `json:"sentinelPasswordSecretRef,omitempty"`
}

// RedisHost is host:port.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=260
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9._-]+|\\\\[[0-9A-Fa-f:.]+\\\\]):[0-9]{1,5}$') && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",message="must be host:port, as in redis.example:6379 or [2001:db8::1]:6379"
type RedisHost string
