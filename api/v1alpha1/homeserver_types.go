package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RegistrationMode says who may make an account by themselves.
// +kubebuilder:validation:Enum=closed;token;open
type RegistrationMode string

const (
	RegistrationClosed RegistrationMode = "closed"
	RegistrationToken  RegistrationMode = "token"
	RegistrationOpen   RegistrationMode = "open"
)

// HomeserverSpec is what a Matrix homeserver should be.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.signingKeySecretRef) || has(self.signingKeySecretRef)",message="signingKeySecretRef cannot be removed: the operator would make another key, and other servers would take this one for a stranger; name the Secret that holds the present key"
// +kubebuilder:validation:XValidation:rule="!has(self.ingress) || !has(self.route)",message="there can be an ingress or a route, not both: remove one"
// +kubebuilder:validation:XValidation:rule="!has(self.route) || has(self.publicBaseURL)",message="publicBaseURL is required with route: its host is the one that is routed, and /.well-known/matrix tells it to clients and other servers"
// +kubebuilder:validation:XValidation:rule="!has(self.ingress) || has(self.publicBaseURL)",message="publicBaseURL is required with ingress: it is what /.well-known/matrix tells clients and other servers"
type HomeserverSpec struct {
	// serverName is the Matrix server name: the part after the colon in user ids. It is in every event and signature, so it
	// can never change.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=230
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="serverName cannot be changed: it is part of every event and every user id; make a new Homeserver instead"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?|\\\\[[0-9A-Fa-f:.]{2,45}\\\\])(:[0-9]{1,5})?$')",message="serverName must be a DNS name or an IP address, with an optional port, as in example.org or example.org:8448"
	// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]{1,5}$') || int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",message="serverName must have a port of at most 65535, or none"
	ServerName string `json:"serverName"`

	// image of the workers and of the migration Job, by tag or, better, by digest, as in
	// registry.example/myelin@sha256:<64 hex digits>.
	// +optional
	// +kubebuilder:default="myelin.local/myelin:dev"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:space:]]')",message="image must be an image's name, without blanks"
	// +kubebuilder:validation:XValidation:rule="!self.contains('@') || self.matches('^[^@]+@sha256:[0-9a-f]{64}$')",message="image must end in @sha256: and 64 hex digits when it is named by digest"
	Image string `json:"image,omitempty"`

	// imagePullSecrets are Secrets in the same namespace that hold credentials for the image's registry.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []LocalReference `json:"imagePullSecrets,omitempty"`

	// postgres is the homeserver's database, version 15 or later. Everything that must not be lost is in it.
	// +required
	Postgres Postgres `json:"postgres"`

	// redis carries wake-ups and copies between workers. Nothing in it needs to survive.
	// +required
	Redis Redis `json:"redis"`

	// internalCredentialSecretRef names the credential that workers, operator and plugin use among themselves. When left
	// out, the operator makes it once, in the Secret <name>-internal under the key "credential".
	// +optional
	InternalCredentialSecretRef *SecretKeyRef `json:"internalCredentialSecretRef,omitempty"`

	// signingKeySecretRef names the homeserver's signing key, in the form "ed25519 <key id> <unpadded base64>". When left out,
	// the operator makes it once, in the Secret <name>-signing-key under the key "signing.key", and never overwrites it.
	// +optional
	SigningKeySecretRef *SecretKeyRef `json:"signingKeySecretRef,omitempty"`

	// registration says who may make an account. Closed when left out.
	// +optional
	// +kubebuilder:default={mode: closed}
	Registration Registration `json:"registration,omitempty"`

	// migration says where the Job that migrates the database may run, and what it may use.
	// +optional
	// +kubebuilder:default={}
	Migration MigrationJob `json:"migration,omitempty"`

	// publicBaseURL is the URL at which clients reach the homeserver; it is what /.well-known/matrix/client answers.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''",message="publicBaseURL must be an http or https URL with a host, as in https://matrix.example.org"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[?#@]')",message="publicBaseURL must have no user, query or fragment: clients put their paths after it"
	PublicBaseURL string `json:"publicBaseURL,omitempty"`

	// networkPolicy is None, or Ingress for a NetworkPolicy that lets connect to the pods: everybody to port 8008, which only
	// gateways serve; the homeserver's own workers and the operator to port 8090; all pods of the cluster to port 8091
	// (metrics). Where the pods connect to is never limited by it.
	// +optional
	// +kubebuilder:default=None
	NetworkPolicy NetworkPolicyMode `json:"networkPolicy,omitempty"`

	// ingress makes an Ingress in front of the gateways. None when left out: whoever wants another way makes it to the
	// Service of the Homeserver's name.
	// +optional
	Ingress *Ingress `json:"ingress,omitempty"`

	// route makes HTTPRoutes of the Gateway API that lead to the gateways, instead of an Ingress. The cluster has to have that
	// API; the condition RouteAccepted says if it does not.
	// +optional
	Route *Route `json:"route,omitempty"`

	// shards is how many parts the rooms are spread over; a shard is written by one worker at a time, so this bounds the
	// useful number of persisters.
	// +optional
	// +kubebuilder:default=64
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="shards cannot be changed after the Homeserver was made"
	Shards int32 `json:"shards,omitempty"`
}

// Registration says who may make an account.
// +kubebuilder:validation:XValidation:rule="self.mode != 'token' || has(self.tokenSecretRef)",message="registration.tokenSecretRef is required when registration.mode is token"
// +kubebuilder:validation:XValidation:rule="self.mode == 'token' || !has(self.tokenSecretRef)",message="registration.tokenSecretRef is only used when registration.mode is token: set the mode or remove the reference"
type Registration struct {
	// mode is closed (nobody), token (who knows the registration token) or open (anybody who reaches the server).
	// +optional
	// +kubebuilder:default=closed
	Mode RegistrationMode `json:"mode,omitempty"`
	// tokenSecretRef names the registration token, for mode token.
	// +optional
	TokenSecretRef *SecretKeyRef `json:"tokenSecretRef,omitempty"`
	// sharedSecretRef names a secret with which an administrator's tool makes accounts, whatever the mode.
	// +optional
	SharedSecretRef *SecretKeyRef `json:"sharedSecretRef,omitempty"`
}

// HomeserverStatus is what the operator last saw of a homeserver.
type HomeserverStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// database is the database that was last migrated and verified.
	// +optional
	Database *DatabaseStatus `json:"database,omitempty"`
	// podInputs is a keyed hash over what workers read only when they start: the signing key, the secrets of registration,
	// and where Redis is. When it changes they are rolled. It tells nothing about the secrets.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PodInputs string `json:"podInputs,omitempty"`
	// workers counts the pods of all pools.
	// +optional
	Workers *WorkersStatus `json:"workers,omitempty"`
	// shards counts the shards.
	// +optional
	Shards *ShardsStatus `json:"shards,omitempty"`
	// url at which clients inside the cluster reach the homeserver.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`
	// conditions say what works and what does not.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DatabaseStatus identifies the database of a running homeserver. Once recorded, no other database is accepted.
type DatabaseStatus struct {
	// id of the database, made when it was first migrated.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`
	// schemaVersion is the number of the last migration that was applied.
	// +optional
	SchemaVersion int32 `json:"schemaVersion,omitempty"`
	// inputs is a keyed hash over the image, and over where the database is and the login, with which it was last verified.
	// It tells nothing about them.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Inputs string `json:"inputs,omitempty"`
	// contractedImage is the last image that was rolled out to all pools, and for which then all was removed from the schema
	// that only workers of older versions need.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ContractedImage string `json:"contractedImage,omitempty"`
}

// WorkersStatus counts pods.
type WorkersStatus struct {
	// desired is the sum of the replicas of the homeserver's pools.
	Desired int32 `json:"desired"`
	// ready is how many of them are ready.
	Ready int32 `json:"ready"`
	// summary is "ready/desired", for kubectl get.
	// +kubebuilder:validation:MaxLength=32
	Summary string `json:"summary"`
}

// ShardsStatus counts shards.
type ShardsStatus struct {
	// total number of shards.
	Total int32 `json:"total"`
	// claimed is how many a live worker has claimed.
	Claimed int32 `json:"claimed"`
	// summary is "claimed/total", for kubectl get.
	// +kubebuilder:validation:MaxLength=32
	Summary string `json:"summary"`
}

// Homeserver is one Matrix server name, with its Postgres and Redis. Its WorkerPools run it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hs,categories={myelin,all}
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.spec.serverName`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Workers",type=string,JSONPath=`.status.workers.summary`
// +kubebuilder:printcolumn:name="Shards",type=string,JSONPath=`.status.shards.summary`
// +kubebuilder:printcolumn:name="Schema",type=integer,JSONPath=`.status.database.schemaVersion`,priority=1
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.image`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 38",message="metadata.name must start with a letter, use only a-z, 0-9 and -, and have at most 38 characters: Services are named after it"
type Homeserver struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what the homeserver should be.
	// +required
	Spec HomeserverSpec `json:"spec"`
	// status is what the operator last saw.
	// +optional
	Status HomeserverStatus `json:"status,omitempty"`
}

// HomeserverList is a list of Homeservers.
// +kubebuilder:object:root=true
type HomeserverList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Homeserver `json:"items"`
}
