// Package homeserver is the controller of Homeservers. It makes the secrets that nobody gave, has the database migrated and
// verified by a Job, makes the Services, and says in the status what works. A pass is: get, plan, apply, status.
package homeserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/kubeevent"
	"github.com/myelin-hs/myelin/controllers/namedwatch"
)

// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers;workerpools;eventpersistershards,verbs=get;list;watch
// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers/status,verbs=patch
// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=create
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete

// The right to read Secrets and ConfigMaps is no part of this role: who installs Homeservers gives it, for those that they name
// (docs/install.md).

// Controller reconciles Homeservers.
type Controller struct {
	client client.Client
	// reader is not cached: secrets and pods are read when they are needed, and not kept.
	reader client.Reader
	apply  *apply.Applier
	// secrets and configMaps tell of changes of those that Homeservers name.
	secrets, configMaps *namedwatch.Watches
	// routes tells of changes of the HTTPRoutes of those that want some; routeless are the Homeservers, by name with their uid,
	// that are known to have none left.
	routes    *namedwatch.Watches
	routeless sync.Map
	events    *kubeevent.Recorder
	now       func() time.Time
	random    io.Reader
	// namespace of the operator; empty if it runs outside of the cluster.
	namespace string
}

// Add adds the controller to the manager. It reads and watches Secrets through direct, which is not cached. namespace is the
// operator's own, empty if it runs outside of the cluster.
func Add(m manager.Manager, direct client.WithWatch, events *kubeevent.Recorder, namespace string) error {
	secrets := namedwatch.New(direct, corev1.SchemeGroupVersion.WithKind("Secret"))
	configMaps := namedwatch.New(direct, corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	routes := namedwatch.New(direct, desired.RouteKind)
	if err := errors.Join(m.Add(secrets), m.Add(configMaps), m.Add(routes)); err != nil {
		return err
	}
	c := &Controller{
		client: m.GetClient(), reader: m.GetAPIReader(), apply: apply.New(m.GetClient(), m.GetAPIReader(), "homeserver"),
		secrets: secrets, configMaps: configMaps, routes: routes, events: events, now: time.Now, random: rand.Reader, namespace: namespace,
	}
	return ctrl.NewControllerManagedBy(m).Named("homeserver").
		// Also for changes of status: one written from a cache that was behind is looked at again when the cache has it.
		For(&v1alpha1.Homeserver{}).
		Owns(&batchv1.Job{}).
		Owns(&corev1.Service{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&networkingv1.Ingress{}).
		Watches(&v1alpha1.WorkerPool{}, handler.EnqueueRequestsFromMapFunc(ofPool)).
		Watches(&v1alpha1.EventPersisterShard{}, handler.EnqueueRequestsFromMapFunc(ofShard)).
		WatchesRawSource(secrets.Source()).
		WatchesRawSource(configMaps.Source()).
		WatchesRawSource(routes.Source()).
		Complete(c)
}

// Reconcile makes one pass.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var hs v1alpha1.Homeserver
	if err := c.client.Get(ctx, req.NamespacedName, &hs); err != nil {
		if apierrors.IsNotFound(err) {
			c.secrets.Follow(req.NamespacedName)
			c.configMaps.Follow(req.NamespacedName)
			c.routes.Follow(req.NamespacedName)
			c.routeless.Delete(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !hs.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // what it owns is collected by Kubernetes
	}
	d := desired.HomeserverOf(&hs)
	owner := desired.Owner{Kind: "Homeserver", Name: hs.Name, UID: string(hs.UID)}
	paused := v1alpha1.Paused(&hs)
	if !paused {
		if err := c.createSecrets(ctx, &hs, d, owner); err != nil {
			return ctrl.Result{}, err
		}
	}
	seen, err := c.look(ctx, &hs, d)
	if err != nil {
		return ctrl.Result{}, err
	}
	c.secrets.Follow(req.NamespacedName, seen.readable(false)...)
	c.configMaps.Follow(req.NamespacedName, seen.readable(true)...)
	decided := c.decide(&hs, seen)
	if paused {
		decided.migration, decided.contract = decided.migration.WhilePaused(), decided.contract.WhilePaused()
	} else {
		if decided.stuck, err = c.makeAll(ctx, &hs, d, owner, seen, decided); err != nil {
			return apply.Settle(ctrl.Result{}, err)
		}
	}
	var failed error // which holds nothing else up
	if !paused {
		var noIngress, noRoute error
		decided.ingress, noIngress = c.applyIngress(ctx, &hs, d, owner)
		decided.route, noRoute = c.applyRoutes(ctx, &hs, d, owner)
		failed = errors.Join(noIngress, noRoute)
	}
	after := cmp.Or(decided.migration.After, decided.contract.After) // one after the other
	if decided.stuck != nil {
		after = 0 // what was decided has not begun
	}
	if decided.blind() && (after == 0 || after > apply.BlindRetry) {
		after = apply.BlindRetry
	}
	return apply.Settle(ctrl.Result{RequeueAfter: after}, errors.Join(failed, c.writeStatus(ctx, &hs, seen, decided)))
}

func ofPool(_ context.Context, o client.Object) []ctrl.Request {
	return request(o, o.(*v1alpha1.WorkerPool).Spec.HomeserverRef.Name)
}

func ofShard(_ context.Context, o client.Object) []ctrl.Request {
	return request(o, o.(*v1alpha1.EventPersisterShard).Spec.HomeserverRef.Name)
}

func request(o metav1.Object, name string) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: name}}}
}
