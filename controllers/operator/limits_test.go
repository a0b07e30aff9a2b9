package operator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Whatever is named after a Homeserver and a pool has a name that the API server takes, by the longest names too, from the
// installation to the last Job of an upgrade.
func TestTheLongestNames(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	name, pool := strings.Repeat("h", 38), strings.Repeat("p", 52)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"),
		object(t, homeserverYAML, fmt.Sprintf("{metadata: {name: %s}, spec: {shards: 2, networkPolicy: Ingress, publicBaseURL: 'https://a.example', "+
			"ingress: {host: a.example, wellKnownHost: example}}}", name)),
		object(t, poolYAML, fmt.Sprintf("{metadata: {name: %s}, spec: {homeserverRef: {name: %s}}}", pool, name)))
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.allReady(pool, 1)
	template := s.deployment(pool).Spec.Template
	s.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: pool + "-6d5f4c7b9-", Labels: template.Labels}, Spec: template.Spec})

	var hs v1alpha1.Homeserver
	s.get(name, &hs)
	before := hs.DeepCopy()
	hs.Spec.Image = nextImage
	require.NoError(t, cluster.Patch(t.Context(), &hs, client.MergeFrom(before)))
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.wantImage(pool, nextImage)
	s.allReady(pool, 1)
	last := s.running()
	require.True(t, hasArg(last, "--contract"))
	s.finish(last, result("Migrated", "", "db-1"))
	s.eventually(func() string {
		s.get(name, &hs)
		if hs.Status.Database.ContractedImage != nextImage {
			return describe(hs.Status.Conditions)
		}
		return ""
	})
}

// Two operators that work in one namespace, by mistake, make what one would make, and come to rest.
func TestTwoOperatorsComeToRest(t *testing.T) {
	t.Parallel()
	s := small(t)
	s.start()
	first := s.stop
	s.start()
	made := map[string]bool{}
	s.eventually(func() string {
		s.finishJobs(made)
		if len(made) > 0 {
			s.ready("demo-all", 1)
		}
		if !s.settled() {
			return "not settled"
		}
		return ""
	})
	require.Len(t, made, 1)
	s.quiet()
	first()
	s.stop()
}
