package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestPool(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hs     *plan.HomeserverForPool
		exists bool
		action plan.PoolAction
		reason string
	}{
		"no homeserver":             {nil, true, plan.PoolHold, "HomeserverMissing"},
		"verified":                  {&plan.HomeserverForPool{Observed: true, Verified: true}, false, plan.PoolApply, ""},
		"verified for an old spec":  {&plan.HomeserverForPool{Verified: true}, true, plan.PoolScale, "WaitingForDatabase"},
		"new pool, not verified":    {&plan.HomeserverForPool{Observed: true}, false, plan.PoolHold, "WaitingForDatabase"},
		"runs, database is another": {&plan.HomeserverForPool{Observed: true, Reason: "DatabaseIdentityChanged"}, true, plan.PoolScale, "WaitingForDatabase"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action, waiting := plan.Pool("demo", test.hs, test.exists)
			require.Equal(t, test.action, action)
			require.Equal(t, test.reason, reason(waiting))
		})
	}
}

func TestPoolThatIsScaledDownSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	seen := &plan.DeploymentSeen{Observed: true, Replicas: 3, Ready: 3, Updated: 3}
	ready, reconciling, stalled := plan.PoolReady(1, nil, seen, "p-2 gives away what it owns before it is stopped")
	require.Equal(t, "3 workers are ready, 1 are wanted: p-2 gives away what it owns before it is stopped.", ready.Message)
	require.True(t, ready.Is())
	require.Equal(t, "RollingOut", reason(reconciling))
	require.Nil(t, stalled)
}

func TestPoolReady(t *testing.T) {
	t.Parallel()
	waiting := &plan.Verdict{Status: "False", Reason: "WaitingForDatabase", Message: "Wait."}
	for name, test := range map[string]struct {
		desired                     int32
		waiting                     *plan.Verdict
		seen                        *plan.DeploymentSeen
		ready, reconciling, stalled string
		is                          bool
	}{
		"nothing yet":        {2, nil, nil, "RollingOut", "RollingOut", "", false},
		"waits":              {2, waiting, nil, "WaitingForDatabase", "WaitingForDatabase", "", false},
		"all":                {2, nil, &plan.DeploymentSeen{Observed: true, Replicas: 2, Ready: 2, Updated: 2}, "AllReplicasReady", "", "", true},
		"none wanted":        {0, nil, &plan.DeploymentSeen{Observed: true}, "ScaledToZero", "", "", true},
		"one short":          {2, nil, &plan.DeploymentSeen{Observed: true, Replicas: 2, Ready: 1, Updated: 2}, "ReplicasNotReady", "ReplicasNotReady", "", false},
		"rolls":              {2, nil, &plan.DeploymentSeen{Observed: true, Replicas: 3, Ready: 2, Updated: 1}, "RollingOut", "RollingOut", "", true},
		"scales down":        {1, nil, &plan.DeploymentSeen{Replicas: 2, Ready: 2, Updated: 2}, "RollingOut", "RollingOut", "", true},
		"serves, but waits":  {2, waiting, &plan.DeploymentSeen{Observed: true, Replicas: 2, Ready: 2, Updated: 2}, "AllReplicasReady", "WaitingForDatabase", "", true},
		"stuck":              {2, nil, &plan.DeploymentSeen{Observed: true, Replicas: 3, Ready: 2, Updated: 1, Stuck: "deadline"}, "RolloutStuck", "", "RolloutStuck", false},
		"pods are forbidden": {2, nil, &plan.DeploymentSeen{Observed: true, Failure: "quota"}, "ReplicasNotReady", "ReplicasNotReady", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ready, reconciling, stalled := plan.PoolReady(test.desired, test.waiting, test.seen, "")
			require.Equal(t, test.ready, ready.Reason)
			require.Equal(t, test.is, ready.Is())
			require.Equal(t, test.reconciling, reason(reconciling))
			require.Equal(t, test.stalled, reason(stalled))
		})
	}
}
