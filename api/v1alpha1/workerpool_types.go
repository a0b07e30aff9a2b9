package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Role is what a worker does.
// +kubebuilder:validation:Enum=gateway;client;persister;sync;federation-inbound
type Role string

const (
	RoleGateway           Role = "gateway"
	RoleClient            Role = "client"
	RolePersister         Role = "persister"
	RoleSync              Role = "sync"
	RoleFederationInbound Role = "federation-inbound"
)

// RequiredRoles are the roles without which a homeserver does not serve clients.
var RequiredRoles = []Role{RoleGateway, RoleClient, RolePersister, RoleSync}

// WorkerPoolSpec is a number of identical workers.
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.autoscaling.lagTargetMilliseconds) || self.roles.exists(r, r in ['persister', 'sync'])",message="autoscaling.lagTargetMilliseconds needs the role persister or sync: work of the others does not wait in a worker"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.autoscaling.cpuTargetUtilization) || has(self.resources) && has(self.resources.requests) && has(self.resources.requests.cpu)",message="autoscaling.cpuTargetUtilization needs resources.requests.cpu, of which it is a percentage"
type WorkerPoolSpec struct {
	// homeserverRef names the Homeserver that the pool works for, in the same namespace. It cannot be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="homeserverRef cannot be changed: make a new WorkerPool for the other Homeserver"
	HomeserverRef LocalReference `json:"homeserverRef"`

	// roles of the pool's workers. One worker can have several.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Roles []Role `json:"roles"`

	// replicas is how many workers there should be. Any number can come and go at any time; kubectl scale and
	// HorizontalPodAutoscalers set it. The operator never does. With autoscaling, leave it out of what you apply.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=300
	Replicas *int32 `json:"replicas,omitempty"`

	// autoscaling has the number of workers follow their load. Without it replicas stays as it is.
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// resources of each worker.
	// +optional
	// +kubebuilder:default={requests: {cpu: "50m", memory: "64Mi"}, limits: {memory: "512Mi"}}
	Resources Resources `json:"resources,omitempty"`

	// maxConnections bounds the pool of database connections of each worker, 4 when left out. On top come up to three for its
	// leases and, with the roles client and persister, one for the announcer; a persister writes through another four.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=500
	MaxConnections *int32 `json:"maxConnections,omitempty"`

	// logLevel of the workers.
	// +optional
	// +kubebuilder:default=info
	// +kubebuilder:validation:Enum=debug;info;warn;error
	LogLevel string `json:"logLevel,omitempty"`

	// env are environment variables for the workers, such as HTTPS_PROXY. What the operator sets cannot be set here.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Env []EnvVar `json:"env,omitempty"`

	// nodeSelector restricts the nodes that the workers run on.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]LabelValue `json:"nodeSelector,omitempty"`

	// tolerations let the workers run on nodes with these taints.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []Toleration `json:"tolerations,omitempty"`

	// topologySpread spreads the workers. Over nodes, where possible, when left out; an empty list spreads them over nothing.
	// +optional
	// +listType=map
	// +listMapKey=topologyKey
	// +kubebuilder:default={{topologyKey: "kubernetes.io/hostname"}}
	// +kubebuilder:validation:MaxItems=8
	TopologySpread []TopologySpread `json:"topologySpread"`
}

// WorkerPoolStatus is what the operator last saw of a pool.
type WorkerPoolStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// replicas is how many pods there are.
	// +optional
	Replicas int32 `json:"replicas"`
	// observedReplicas is the spec's replicas that the operator last saw. The scale subresource gives it as the pool's size,
	// for an autoscaler takes that for what "stay" means: pods that surge or leave, or are not made yet, do not count.
	// +optional
	ObservedReplicas int32 `json:"observedReplicas"`
	// readyReplicas is how many of them are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// updatedReplicas is how many of them have the newest pod template.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// lag is how long the oldest work of a worker has waited, coarsely: 0s is less than 100ms, and 100ms, 1s, 10s and 1m are at
	// least that. It is the most of the last minute. Empty while it is not known, and for pools without the roles persister
	// and sync.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Lag string `json:"lag,omitempty"`
	// selector of the pool's pods, as a string, for the scale subresource.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Selector string `json:"selector,omitempty"`
	// conditions say what works and what does not.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WorkerPool is a number of identical worker pods with given roles.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.observedReplicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=wp,categories={myelin,all}
// +kubebuilder:printcolumn:name="Homeserver",type=string,JSONPath=`.spec.homeserverRef.name`
// +kubebuilder:printcolumn:name="Roles",type=string,JSONPath=`.spec.roles`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Pods",type=integer,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Available",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Lag",type=string,JSONPath=`.status.lag`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 52",message="metadata.name must use only a-z, 0-9 and -, and have at most 52 characters: pods are named after it"
type WorkerPool struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what the pool should be.
	// +required
	Spec WorkerPoolSpec `json:"spec"`
	// status is what the operator last saw.
	// +optional
	Status WorkerPoolStatus `json:"status,omitempty"`
}

// WorkerPoolList is a list of WorkerPools.
// +kubebuilder:object:root=true
type WorkerPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WorkerPool `json:"items"`
}
