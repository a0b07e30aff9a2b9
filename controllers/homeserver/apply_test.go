package homeserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// A Job that does not name the recorded database would claim whichever it is led to.
func TestNoJobIsStartedFromACacheThatIsBehind(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	require.NoError(t, batchv1.AddToScheme(scheme))
	cached := &v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: "myelin", Name: "demo", UID: "1"}}
	server := fake.NewClientBuilder().WithScheme(scheme).WithObjects(cached.DeepCopy()).WithStatusSubresource(cached).Build()
	require.NoError(t, server.Get(t.Context(), client.ObjectKeyFromObject(cached), cached))
	recorded := cached.DeepCopy()
	recorded.Status.Database = &v1alpha1.DatabaseStatus{ID: "db-1"}
	require.NoError(t, server.Status().Update(t.Context(), recorded))

	c := &Controller{client: server, reader: server, apply: apply.New(server, server, "homeserver")}
	start := decision{migration: plan.MigrationDecision{Start: 1}}
	owner := desired.Owner{Kind: "Homeserver", Name: "demo", UID: "1"}
	err := c.applyMigration(t.Context(), cached, desired.HomeserverOf(cached), owner, &seen{}, start)
	require.True(t, apierrors.IsConflict(err), "another look, soon: %v", err)
	var jobs batchv1.JobList
	require.NoError(t, server.List(t.Context(), &jobs))
	require.Empty(t, jobs.Items)

	require.NoError(t, c.current(t.Context(), recorded), "the cache has it")
}
