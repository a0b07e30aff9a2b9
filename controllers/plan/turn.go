package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// rolloutOrder is the order in which roles get another image: whoever is asked before who asks, so that no worker asks for
// what an older one does not know yet.
var rolloutOrder = []v1alpha1.Role{
	v1alpha1.RolePersister, v1alpha1.RoleSync, v1alpha1.RoleClient, v1alpha1.RoleFederationInbound, v1alpha1.RoleGateway,
}

// PoolImage is what a rollout needs to know of a pool that has a Deployment.
type PoolImage struct {
	Name  string
	Roles []v1alpha1.Role
	// Image of its Deployment. RolledOut: no pod has another, and one that has it is ready if there is to be any.
	Image     string
	RolledOut bool
	Paused    bool
}

// Turn decides whether a pool may have the image: nil, or what it waits for. Pools get another image one after the other, so
// that one that does not work stops the rollout at the first pool, which keeps its workers of the image before.
func Turn(name, image string, pools []PoolImage) *Verdict {
	pools = slices.Clone(pools)
	slices.SortFunc(pools, func(a, b PoolImage) int {
		return cmp.Or(cmp.Compare(turn(a.Roles), turn(b.Roles)), cmp.Compare(a.Name, b.Name))
	})
	for _, p := range pools {
		switch {
		case p.Name == name:
			return nil
		case p.Image == image && p.RolledOut:
		case p.Paused:
			v := no(v1alpha1.ReasonWaitingForPool, fmt.Sprintf(
				"The image is rolled out to the WorkerPool %q first, which is paused: remove its annotation %s.", p.Name, v1alpha1.AnnotationPaused))
			return &v
		default:
			v := no(v1alpha1.ReasonWaitingForPool, fmt.Sprintf("The image is rolled out to the WorkerPool %q first: wait, or look at that one.", p.Name))
			return &v
		}
	}
	return nil
}

// RolledOut says whether every pool has the image.
func RolledOut(image string, pools []PoolImage) bool {
	return Turn("", image, pools) == nil
}

// turn is that of the last of the roles.
func turn(roles []v1alpha1.Role) int {
	last := 0
	for _, r := range roles {
		last = max(last, slices.Index(rolloutOrder, r))
	}
	return last
}
