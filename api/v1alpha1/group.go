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

// AnnotationPaused on a Homeserver or WorkerPool makes the operator change nothing for it, and nothing for the pools of such a
// Homeserver, whatever the value but "false". What runs goes on running, and the status is kept up to date.
const AnnotationPaused = "myelin.dev/paused"

// Paused reports whether the object is annotated with AnnotationPaused.
func Paused(o metav1.Object) bool {
	value, there := o.GetAnnotations()[AnnotationPaused]
	return there && value != "false"
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
