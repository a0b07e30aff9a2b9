package homeserver

import (
	"context"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch;create;patch;delete

// applyIngress makes the Ingress if the spec wants one, and says how that went; otherwise it removes the one that was made
// before. What the spec asks for and cannot be had is told by the verdict, and is no error.
func (c *Controller) applyIngress(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner) (*plan.Verdict, error) {
	ingress := &networkingv1.Ingress{}
	if hs.Spec.Ingress == nil {
		return nil, c.apply.Remove(ctx, client.ObjectKeyFromObject(hs), ingress, hs.UID)
	}
	if err := c.apply.Apply(ctx, desired.Ingress(d, *hs.Spec.Ingress, owner), ingress, hs.UID); err != nil {
		return apply.Verdict(err, "Homeserver", plan.IngressRefused)
	}
	made := plan.IngressMade()
	return &made, nil
}
