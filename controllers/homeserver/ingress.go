package homeserver

import (
	"context"
	"errors"

	networkingv1 "k8s.io/api/networking/v1"

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
		return nil, c.remove(ctx, hs, hs.Name, ingress)
	}
	v := plan.IngressMade()
	err := c.apply.Apply(ctx, desired.Ingress(d, *hs.Spec.Ingress, owner), ingress, hs.UID)
	switch {
	case err == nil:
	case errors.Is(err, apply.ErrNameTaken):
		v = plan.NameTaken("Homeserver", err.Error())
	case apply.Refused(err):
		v = plan.IngressRefused(err.Error())
	default:
		return nil, err
	}
	return &v, nil
}
