package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "myelin.dev", Version: "v1alpha1"}

// AddToScheme registers the kinds of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Homeserver{}, &HomeserverList{},
		&WorkerPool{}, &WorkerPoolList{},
		&EventPersisterShard{}, &EventPersisterShardList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

// Labels that the operator puts on what it makes. They select pods, so their values never change for an object's life.
const (
	// LabelHomeserver names the Homeserver an object belongs to.
	LabelHomeserver = "myelin.dev/homeserver"
	// LabelPool names the WorkerPool a pod belongs to.
	LabelPool = "myelin.dev/pool"
	// LabelRolePrefix plus a role, with the value "true", marks the pods that have the role.
	LabelRolePrefix = "role.myelin.dev/"
)
