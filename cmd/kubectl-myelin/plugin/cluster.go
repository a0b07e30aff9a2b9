package plugin

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// A cluster is what the commands see of Kubernetes itself.
type cluster struct {
	core       kubernetes.Interface
	homeserver *v1alpha1.Homeserver
}

// An opener finds a homeserver in its cluster, without asking its workers.
type opener func(ctx context.Context, where target) (cluster, error)

func open(ctx context.Context, t target) (cluster, error) {
	config, namespace, err := load(t)
	if err != nil {
		return cluster{}, usageError(err)
	}
	return openConfig(ctx, config, namespace, t.homeserver)
}

func openConfig(ctx context.Context, config *rest.Config, namespace, homeserver string) (cluster, error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return cluster{}, fmt.Errorf("connect: %w", err)
	}
	hs, err := findHomeserver(ctx, config, namespace, homeserver)
	return cluster{core, hs}, err
}
