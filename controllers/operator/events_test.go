package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// event waits for an Event with the reason about the object of that name.
func (s *space) event(reason, about string) eventsv1.Event {
	s.t.Helper()
	var found eventsv1.Event
	s.eventually(func() string {
		var list eventsv1.EventList
		require.NoError(s.t, cluster.List(s.t.Context(), &list, client.InNamespace(s.name)))
		var have []string
		for _, e := range list.Items {
			if e.Reason == reason && e.Regarding.Name == about {
				found = e
				return ""
			}
			have = append(have, e.Reason+" about "+e.Regarding.Name)
		}
		return "wanted " + reason + " about " + about + ", have " + strings.Join(have, ", ")
	})
	return found
}

func TestMigrationsAreEvents(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	s.finish(s.running(), result("DatabaseAuthenticationFailed", "password authentication failed for user \"u\".", ""))
	require.Equal(t, "Normal", s.event(v1alpha1.ReasonMigrationRunning, "demo").Type)
	e := s.event(v1alpha1.ReasonDatabaseAuthenticationFailed, "demo")
	require.Equal(t, "Warning", e.Type)
	require.Equal(t, "Homeserver", e.Regarding.Kind)
	require.Contains(t, e.Note, "Mend the user and password")
	s.setSecret("db", "postgres://mended")
	s.finish(s.running(), result("Migrated", "", "db-1"))
	require.Equal(t, "Normal", s.event(v1alpha1.ReasonMigrated, "demo").Type)
}

// A drain and the handoffs that it makes, then the death of the one who got the shards.
func TestMovesAndDrainsAreEvents(t *testing.T) {
	t.Parallel()
	one := admin.Worker{ID: 7, Pod: "demo-persister-0", State: admin.StateLive, Shards: 64}
	two := admin.Worker{ID: 8, Pod: "demo-persister-1", State: admin.StateLive}
	status := claimedBy(one.Pod, 64)
	status.Workers = []admin.Worker{one, two}
	s := serving(t, status)
	s.wantShards(64, func(e v1alpha1.EventPersisterShard, _ *metav1.Condition) bool { return e.Status.Owner == one.Pod })

	one.State, one.Shards = admin.StateLeaving, 63
	moved := claimedBy(one.Pod, 64)
	moved.Workers = []admin.Worker{one, two}
	moved.Shards[5] = admin.Shard{ID: 5, Owner: 8, OwnerPod: two.Pod, Epoch: 4, Claimed: true}
	s.data.set(func(d *dataPlane) { d.status = moved })
	e := s.event(v1alpha1.EventHandedOff, "demo-05")
	require.Equal(t, "demo-persister-0 handed the shard over to demo-persister-1, epoch 4.", e.Note)
	require.Equal(t, "demo-persister-1", e.Related.Name)
	require.Equal(t, "Normal", e.Type)
	require.Contains(t, s.event(v1alpha1.EventHandedOff, "demo").Note, "handed 1 shards over to demo-persister-1 (5)")
	require.Contains(t, s.event(v1alpha1.EventDraining, "demo").Note, "Worker 7 (demo-persister-0)")

	// Drained, it is dead; then its pod's next worker takes over from the other.
	one.State, one.Shards, two.State = admin.StateDead, 0, admin.StateDead
	over := claimedBy("demo-persister-0", 64)
	over.Workers = []admin.Worker{one, two, {ID: 9, Pod: "demo-persister-0", State: admin.StateLive, Shards: 64}}
	for i := range over.Shards {
		over.Shards[i].Owner, over.Shards[i].Epoch = 9, 5
	}
	s.data.set(func(d *dataPlane) { d.status = over })
	e = s.event(v1alpha1.EventTakenOver, "demo-05")
	require.Equal(t, "Warning", e.Type)
	require.Contains(t, e.Note, "its owner demo-persister-1 has ended")
	require.Contains(t, s.event(v1alpha1.EventTakenOver, "demo").Note, "took over 1 shards of demo-persister-1")
	s.event(v1alpha1.EventHandedOff, "demo-06")
	s.event(v1alpha1.EventDrained, "demo")
}
