package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EventPersisterShardSpec says which shard it is.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec of an EventPersisterShard cannot be changed"
type EventPersisterShardSpec struct {
	// homeserverRef names the Homeserver, in the same namespace.
	// +required
	HomeserverRef LocalReference `json:"homeserverRef"`
	// shard is the shard's number, from 0.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=99
	Shard int32 `json:"shard"`
}

// EventPersisterShardStatus shows the shard's lease as a worker last reported it. The lease itself is a row in Postgres.
type EventPersisterShardStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// owner is the pod that holds the lease.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Owner string `json:"owner,omitempty"`
	// ownerID is the worker that holds the lease; a pod that restarts is a new worker.
	// +optional
	OwnerID int64 `json:"ownerID,omitempty"`
	// epoch counts the lease's owners; it only grows.
	// +optional
	Epoch int64 `json:"epoch,omitempty"`
	// claimed says that the owner has taken the shard up.
	// +optional
	Claimed bool `json:"claimed"`
	// target is the worker that the shard is moving to, when it is moving.
	// +optional
	Target int64 `json:"target,omitempty"`
	// conditions: Ready when the shard is claimed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// EventPersisterShard shows one shard of a Homeserver's rooms: who writes it, and since which epoch. The operator makes them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=eps,categories={myelin}
// +kubebuilder:printcolumn:name="Homeserver",type=string,JSONPath=`.spec.homeserverRef.name`
// +kubebuilder:printcolumn:name="Shard",type=integer,JSONPath=`.spec.shard`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.status.owner`
// +kubebuilder:printcolumn:name="Epoch",type=integer,JSONPath=`.status.epoch`
// +kubebuilder:printcolumn:name="Claimed",type=boolean,JSONPath=`.status.claimed`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Worker",type=integer,JSONPath=`.status.ownerID`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.startsWith(self.spec.homeserverRef.name + '-') && size(self.metadata.name) == size(self.spec.homeserverRef.name) + 3 && self.metadata.name.matches('-[0-9][0-9]$') && int(self.metadata.name.substring(size(self.metadata.name) - 2)) == self.spec.shard",message="metadata.name must be spec.homeserverRef.name, a dash and spec.shard in two digits, as in demo-07"
type EventPersisterShard struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec says which shard it is.
	// +required
	Spec EventPersisterShardSpec `json:"spec"`
	// status shows the shard's lease.
	// +optional
	Status EventPersisterShardStatus `json:"status,omitempty"`
}

// EventPersisterShardList is a list of EventPersisterShards.
// +kubebuilder:object:root=true
type EventPersisterShardList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EventPersisterShard `json:"items"`
}
