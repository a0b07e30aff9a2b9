package operator_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/controllers/operator"
)

// errKilled is what an operator gets for whatever it asks after it has been killed.
var errKilled = errors.New("the operator has been killed")

// dying lets one change of what counts through, and then nothing any more.
type dying struct {
	http.RoundTripper
	counts func(resource string) bool
	killed *atomic.Bool
	kill   context.CancelFunc
}

func (d dying) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.killed.Load() {
		return nil, errKilled
	}
	resp, err := d.RoundTripper.RoundTrip(r)
	switch {
	case r.Method == http.MethodGet, !d.counts(resource(r.URL.Path)), err != nil || resp.StatusCode >= 300:
	case d.killed.CompareAndSwap(false, true):
		d.kill()
	}
	return resp, err
}

// resource is the plural in .../namespaces/<namespace>/<plural>/<name>.
func resource(path string) string {
	_, after, _ := strings.Cut(path, "/namespaces/")
	parts := strings.Split(after, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// byDying has operators that are killed after their first write that counts, one after the other, get things done, and returns
// how many it took. world is what all others do about what was written.
func (s *space) byDying(counts func(resource string) bool, done func() bool, world func()) (lives int) {
	s.t.Helper()
	for !done() {
		lives++
		require.Less(s.t, lives, 100, "it gets nowhere")
		dead := s.startDying(counts)
		s.eventually(func() string {
			select {
			case <-dead:
				return ""
			default:
			}
			world()
			return "the operator lives on without a write"
		})
		world()
	}
	return lives
}

// startDying runs an operator that is killed after its first write that counts. dead is closed when it has ended.
func (s *space) startDying(counts func(resource string) bool) (dead chan struct{}) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	s.t.Cleanup(cancel)
	config := rest.CopyConfig(operatorConfig)
	killed := &atomic.Bool{}
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return dying{rt, counts, killed, cancel} })
	dead = make(chan struct{})
	go func() {
		defer close(dead)
		_ = operator.Run(ctx, config, operator.Options{
			Namespaces: []string{s.name}, MetricsAddr: "0", ProbeAddr: "0", Ask: s.data.ask, Drain: s.data.drain,
		})
	}()
	return dead
}

// An operator that is killed after each of its writes gets a scale-down done as well as one that lives: by its successors, one
// write each.
func TestScaleDownByOperatorsThatAreKilledAfterEachWrite(t *testing.T) {
	t.Parallel()
	s := persisters(t, 3)
	s.stop()
	s.scale("demo-persister", 1)
	lives := s.byDying(
		func(resource string) bool { return resource == "pods" || resource == "deployments" },
		func() bool { return *s.deployment("demo-persister").Spec.Replicas == 1 },
		func() { s.play("demo-persister") })
	require.Greater(t, lives, 4, "mark, make cheap and lower the number of replicas, twice")
	s.start()
	s.eventually(func() string {
		s.play("demo-persister")
		var pods corev1.PodList
		require.NoError(t, cluster.List(t.Context(), &pods, client.InNamespace(s.name), client.MatchingLabels(s.deployment("demo-persister").Spec.Selector.MatchLabels)))
		if len(pods.Items) != 1 || isMarked(&pods.Items[0]) || isCheap(&pods.Items[0]) {
			return fmt.Sprintf("%d pods, the first with the labels %v", len(pods.Items), pods.Items[0].Labels)
		}
		return ""
	})
	require.Len(t, s.told(), 2)
	require.Equal(t, int64(3), s.told()[0], "it owned the fewest")
}

// play is what workers, kubelet and the controllers of Deployments do about a pool that is scaled down, as far as it goes.
func (s *space) play(pool string) {
	s.t.Helper()
	for _, worker := range s.told() {
		s.ended(worker)
	}
	d := s.deployment(pool)
	var pods corev1.PodList
	require.NoError(s.t, cluster.List(s.t.Context(), &pods, client.InNamespace(s.name), client.MatchingLabels(d.Spec.Selector.MatchLabels)))
	for _, p := range pods.Items {
		if int32(len(pods.Items)) > *d.Spec.Replicas && isCheap(&p) {
			s.stopPod(p.Name)
			break
		}
	}
	require.NoError(s.t, cluster.List(s.t.Context(), &pods, client.InNamespace(s.name), client.MatchingLabels(d.Spec.Selector.MatchLabels)))
	if n := int32(len(pods.Items)); n != d.Status.Replicas || d.Status.ObservedGeneration != d.Generation {
		s.ready(pool, n)
	}
}
