package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestPoolsGetAnImageInTurn(t *testing.T) {
	t.Parallel()
	pool := func(name, image string, rolledOut bool, roles ...v1alpha1.Role) plan.PoolImage {
		return plan.PoolImage{Name: name, Roles: roles, Image: image, RolledOut: rolledOut}
	}
	const persister, sync, gateway = v1alpha1.RolePersister, v1alpha1.RoleSync, v1alpha1.RoleGateway
	paused := pool("p", "old", true, persister)
	paused.Paused = true
	for name, test := range map[string]struct {
		pools []plan.PoolImage
		first string // the pool that this one, the gateway g, waits for
	}{
		"alone":                      {[]plan.PoolImage{pool("g", "old", true, gateway)}, ""},
		"persisters before gateways": {[]plan.PoolImage{pool("g", "old", true, gateway), pool("z", "old", true, persister)}, "z"},
		"while they roll":            {[]plan.PoolImage{pool("g", "old", true, gateway), pool("z", "new", false, persister)}, "z"},
		"after them":                 {[]plan.PoolImage{pool("g", "old", true, gateway), pool("z", "new", true, persister)}, ""},
		"by name among equals":       {[]plan.PoolImage{pool("g", "old", true, gateway), pool("a", "old", true, gateway), pool("h", "old", true, gateway)}, "a"},
		"by the last of the roles":   {[]plan.PoolImage{pool("g", "old", true, gateway), pool("h", "old", true, persister, gateway)}, ""},
		"the first that is not done": {[]plan.PoolImage{pool("s", "old", true, sync), pool("p", "new", true, persister), pool("g", "old", true, gateway)}, "s"},
		"a paused pool holds it":     {[]plan.PoolImage{paused, pool("g", "old", true, gateway)}, "p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := plan.Turn("g", "new", test.pools)
			if test.first == "" {
				require.Nil(t, v)
				return
			}
			require.Equal(t, v1alpha1.ReasonWaitingForPool, v.Reason)
			require.Contains(t, v.Message, `"`+test.first+`" first`)
		})
	}
}
