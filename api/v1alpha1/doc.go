// Package v1alpha1 holds the API of group myelin.dev, version v1alpha1: Homeserver, WorkerPool and EventPersisterShard.
//
// Everything that can be refused is refused by the API server, through the schema and CEL rules that the markers in this
// package become; there is no webhook. The package imports apimachinery only, so that anything may link it.
//
// +kubebuilder:object:generate=true
// +groupName=myelin.dev
package v1alpha1
