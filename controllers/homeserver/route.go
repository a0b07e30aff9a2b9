package homeserver

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;watch;create;patch;delete

// applyRoutes makes the HTTPRoutes if the spec wants some, and says what became of them; otherwise it removes those that were
// made before. What the spec asks for and cannot be had is told by the verdict, and is no error.
func (c *Controller) applyRoutes(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner) (*plan.Verdict, error) {
	name := client.ObjectKeyFromObject(hs)
	if hs.Spec.Route == nil {
		c.routes.Follow(name)
		return nil, c.removeRoutes(ctx, hs)
	}
	c.routeless.Delete(name)
	wanted := desired.Routes(d, *hs.Spec.Route, owner)
	seen, err := c.makeRoutes(ctx, hs, wanted)
	if absent(err) {
		wanted = nil // and there is nothing to watch
	}
	c.routes.Follow(name, desired.RouteNames(hs.Name)[:len(wanted)]...)
	var v plan.Verdict
	switch {
	case err == nil:
		v = plan.Routes(seen)
	case absent(err):
		v = plan.GatewayAPIMissing()
	default:
		return apply.Verdict(err, "Homeserver", plan.RouteRefused)
	}
	return &v, nil
}

// makeRoutes applies the wanted routes and removes the others. What Gateways said it tells of the routes as they were before: if
// that changes anything, the watch brings another pass.
func (c *Controller) makeRoutes(ctx context.Context, hs *v1alpha1.Homeserver, wanted []desired.HTTPRoute) ([]plan.RouteSeen, error) {
	var seen []plan.RouteSeen
	for i, name := range desired.RouteNames(hs.Name) {
		live := emptyRoute()
		if i >= len(wanted) {
			if err := c.apply.Remove(ctx, client.ObjectKey{Namespace: hs.Namespace, Name: name}, live, hs.UID); err != nil {
				return nil, err
			}
			continue
		}
		if err := c.apply.Apply(ctx, wanted[i], live, hs.UID); err != nil {
			return nil, err
		}
		r, err := routeSeen(name, live)
		if err != nil {
			return nil, err
		}
		seen = append(seen, r)
	}
	return seen, nil
}

// removeRoutes removes what was made for a spec that wanted routes. It looks only once for each Homeserver: most want none, and
// most clusters have none.
func (c *Controller) removeRoutes(ctx context.Context, hs *v1alpha1.Homeserver) error {
	name := client.ObjectKeyFromObject(hs)
	if uid, ok := c.routeless.Load(name); ok && uid == hs.UID {
		return nil
	}
	// An operator that may not touch routes has made none.
	if _, err := c.makeRoutes(ctx, hs, nil); err != nil && !absent(err) && !apierrors.IsForbidden(err) {
		return err
	}
	c.routeless.Store(name, hs.UID)
	return nil
}

// absent says whether the API server knows no HTTPRoutes, or knows them no longer.
func absent(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

func emptyRoute() *unstructured.Unstructured {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(desired.RouteKind)
	return live
}

// routeSeen reads what Gateways say about a route; nothing, if it was not there before.
func routeSeen(name string, live *unstructured.Unstructured) (plan.RouteSeen, error) {
	var route struct {
		Status struct {
			Parents []struct {
				ParentRef struct {
					Name        string `json:"name"`
					SectionName string `json:"sectionName"`
				} `json:"parentRef"`
				Conditions []metav1.Condition `json:"conditions"`
			} `json:"parents"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &route); err != nil {
		return plan.RouteSeen{}, fmt.Errorf("read the HTTPRoute %s: %w", name, err)
	}
	seen := plan.RouteSeen{Name: name, Generation: live.GetGeneration()}
	for _, p := range route.Status.Parents {
		gateway := p.ParentRef.Name
		if p.ParentRef.SectionName != "" {
			gateway += "/" + p.ParentRef.SectionName
		}
		seen.Parents = append(seen.Parents, plan.ParentSeen{Gateway: gateway, Conditions: p.Conditions})
	}
	return seen, nil
}
