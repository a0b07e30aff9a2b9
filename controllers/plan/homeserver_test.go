package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestWorkers(t *testing.T) {
	t.Parallel()
	pool := func(name string, ready int32, roles ...v1alpha1.Role) plan.PoolSeen {
		return plan.PoolSeen{Name: name, Roles: roles, Desired: 2, Ready: ready}
	}
	for name, test := range map[string]struct {
		pools            []plan.PoolSeen
		reason, contains string
	}{
		"none":        {nil, "RoleMissing", "gateway, client, persister, sync"},
		"one for all": {[]plan.PoolSeen{pool("all", 1, v1alpha1.RequiredRoles...)}, "WorkersReady", ""},
		"one missing": {[]plan.PoolSeen{pool("a", 1, "gateway", "client", "sync")}, "RoleMissing", "role persister"},
		"one down": {[]plan.PoolSeen{pool("a", 1, "gateway", "client", "sync"), pool("p", 0, "persister")},
			"WorkersNotReady", "role persister is ready: look at the WorkerPool p."},
		"another pool has it": {[]plan.PoolSeen{pool("a", 1, v1alpha1.RequiredRoles...), pool("p", 0, "persister")}, "WorkersReady", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := plan.Workers(test.pools)
			require.Equal(t, test.reason, v.Reason)
			require.Contains(t, v.Message, test.contains)
			require.Equal(t, test.reason == "WorkersReady", v.Is())
		})
	}
}

func TestShards(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seen            []metav1.ConditionStatus
		reason, summary string
	}{
		"none told":     {nil, "StatusUnknown", "0/3"},
		"all unknown":   {[]metav1.ConditionStatus{"Unknown", "Unknown", "Unknown"}, "StatusUnknown", "0/3"},
		"one unclaimed": {[]metav1.ConditionStatus{"True", "False", "True"}, "ShardsUnclaimed", "2/3"},
		"one not told":  {[]metav1.ConditionStatus{"True", "True"}, "ShardsUnclaimed", "2/3"},
		"all":           {[]metav1.ConditionStatus{"True", "True", "True"}, "ShardsClaimed", "3/3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, status := plan.Shards(3, test.seen)
			require.Equal(t, test.reason, v.Reason)
			require.Equal(t, test.summary, status.Summary)
		})
	}
}

func TestHomeserver(t *testing.T) {
	t.Parallel()
	verdict := func(status metav1.ConditionStatus, reason string) plan.Verdict {
		return plan.Verdict{Status: status, Reason: reason, Message: reason + "."}
	}
	good := plan.HomeserverSeen{
		Secrets: verdict("True", "SecretsFound"), Database: verdict("True", "Migrated"),
		Workers: verdict("True", "WorkersReady"), Shards: verdict("True", "ShardsClaimed"),
		Recorded: true, AllReady: true, URL: "http://demo",
	}
	for name, test := range map[string]struct {
		change                      func(*plan.HomeserverSeen)
		ready, reconciling, stalled string
	}{
		"all is well":    {func(*plan.HomeserverSeen) {}, "Ready", "", ""},
		"secret missing": {func(h *plan.HomeserverSeen) { h.Secrets = verdict("False", "SecretMissing") }, "SecretMissing", "", "SecretMissing"},
		"bad database": {func(h *plan.HomeserverSeen) { h.Database = verdict("False", "DatabaseUnreachable") },
			"DatabaseUnreachable", "", "DatabaseUnreachable"},
		"first migration": {func(h *plan.HomeserverSeen) { h.Recorded, h.Database = false, verdict("Unknown", "MigrationRunning") },
			"MigrationRunning", "MigrationRunning", ""},
		"first migration, no pools yet": {func(h *plan.HomeserverSeen) {
			h.Recorded, h.Database, h.Workers = false, verdict("Unknown", "MigrationRunning"), verdict("False", "RoleMissing")
		}, "MigrationRunning", "MigrationRunning", ""},
		"later migration": {func(h *plan.HomeserverSeen) { h.Database = verdict("Unknown", "MigrationRunning") }, "Ready", "MigrationRunning", ""},
		"role missing":    {func(h *plan.HomeserverSeen) { h.Workers = verdict("False", "RoleMissing") }, "RoleMissing", "", "RoleMissing"},
		"workers down":    {func(h *plan.HomeserverSeen) { h.Workers = verdict("False", "WorkersNotReady") }, "WorkersNotReady", "WorkersNotReady", ""},
		"shards open":     {func(h *plan.HomeserverSeen) { h.Shards = verdict("False", "ShardsUnclaimed") }, "ShardsUnclaimed", "ShardsUnclaimed", ""},
		"stuck": {func(h *plan.HomeserverSeen) {
			h.Stuck, h.Database = &plan.Verdict{Status: "False", Reason: "NameTaken"}, verdict("Unknown", "MigrationRunning")
			h.Recorded = false
		}, "NameTaken", "", "NameTaken"},
		"stuck, and serving": {func(h *plan.HomeserverSeen) { h.Stuck = &plan.Verdict{Status: "False", Reason: "NameTaken"} }, "Ready", "", "NameTaken"},
		"some not ready":     {func(h *plan.HomeserverSeen) { h.AllReady = false }, "Ready", "ReplicasNotReady", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := good
			test.change(&in)
			ready, reconciling, stalled := plan.Homeserver(in)
			require.Equal(t, test.ready, ready.Reason)
			require.Equal(t, test.ready == "Ready", ready.Is())
			require.Equal(t, test.reconciling, reason(reconciling))
			require.Equal(t, test.stalled, reason(stalled))
		})
	}
}

func reason(v *plan.Verdict) string {
	if v == nil {
		return ""
	}
	return v.Reason
}
