package plugin

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// A cluster is what the commands see of Kubernetes itself.
type cluster struct {
	core       kubernetes.Interface
	dynamic    dynamic.Interface
	homeserver *v1alpha1.Homeserver
	// metrics reads what a worker's pod says of itself.
	metrics func(ctx context.Context, pod string) ([]byte, error)
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
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return cluster{}, fmt.Errorf("connect: %w", err)
	}
	hs, err := findHomeserver(ctx, client, namespace, homeserver)
	return cluster{core, client, hs, func(ctx context.Context, pod string) ([]byte, error) {
		return scrape(ctx, config, core, namespace, pod)
	}}, err
}

// scrape reads a worker's metrics through a forwarded port.
func scrape(ctx context.Context, config *rest.Config, core kubernetes.Interface, namespace, pod string) ([]byte, error) {
	port, stop, err := forward(ctx, config, core, namespace, pod, probePort)
	if err != nil {
		return nil, err
	}
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxReportMetrics))
}
