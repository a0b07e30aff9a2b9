package homeserver

import (
	"context"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch;create;patch;delete

// applyIngress makes the Ingress if the spec wants one, and otherwise removes the one that was made before.
func (c *Controller) applyIngress(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner) error {
	ingress := &networkingv1.Ingress{}
	if hs.Spec.Ingress != nil {
		return c.apply.Apply(ctx, desired.Ingress(d, *hs.Spec.Ingress, owner), ingress, hs.UID)
	}
	if err := c.client.Get(ctx, client.ObjectKeyFromObject(hs), ingress); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !metav1.IsControlledBy(ingress, hs) || !ingress.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := c.client.Delete(ctx, ingress); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete the Ingress %s: %w", ingress.Name, err)
	}
	return nil
}
