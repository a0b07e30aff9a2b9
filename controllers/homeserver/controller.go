// Package homeserver is the controller of Homeservers. It makes the secrets that nobody gave, has the database migrated and
// verified by a Job, makes the Services, and says in the status what works. A pass is: get, plan, apply, status.
package homeserver

import (
	"context"
	"crypto/rand"
	"io"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/kubeevent"
)

// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers;workerpools;eventpersistershards,verbs=get;list;watch
// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers/status,verbs=patch
// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete

// Controller reconciles Homeservers.
type Controller struct {
	client client.Client
	// reader is not cached: secrets and pods are read when they are needed, and not kept.
	reader client.Reader
	apply  *apply.Applier
	events *kubeevent.Recorder
	now    func() time.Time
	random io.Reader
}

// Add adds the controller to the manager.
func Add(m manager.Manager, events *kubeevent.Recorder) error {
	c := &Controller{
		client: m.GetClient(), reader: m.GetAPIReader(), apply: apply.New(m.GetClient(), m.GetAPIReader(), "homeserver"),
		events: events, now: time.Now, random: rand.Reader,
	}
	return ctrl.NewControllerManagedBy(m).Named("homeserver").
		// Also for changes of status: one written from a cache that was behind is looked at again when the cache has it.
		For(&v1alpha1.Homeserver{}).
		Owns(&batchv1.Job{}).
		Owns(&corev1.Service{}).
		Watches(&v1alpha1.WorkerPool{}, handler.EnqueueRequestsFromMapFunc(ofPool)).
		Watches(&v1alpha1.EventPersisterShard{}, handler.EnqueueRequestsFromMapFunc(ofShard)).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(c.ofSecret)).
		Complete(c)
}

// Reconcile makes one pass.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var hs v1alpha1.Homeserver
	if err := c.client.Get(ctx, req.NamespacedName, &hs); err != nil {
		c.apply.Forget("Service", req.Namespace, desired.ServiceNames(req.Name)...)
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
	decided := c.decide(&hs, seen)
	if paused {
		decided.migration = decided.migration.WhilePaused()
	} else {
		if err := c.applyServices(ctx, &hs, d, owner); err != nil {
			return ctrl.Result{}, err
		}
		if err := c.applyMigration(ctx, &hs, d, owner, seen, decided); err != nil {
			return ctrl.Result{}, err
		}
	}
	return apply.Settle(ctrl.Result{RequeueAfter: decided.migration.After}, c.writeStatus(ctx, &hs, seen, decided))
}

func ofPool(_ context.Context, o client.Object) []ctrl.Request {
	return request(o, o.(*v1alpha1.WorkerPool).Spec.HomeserverRef.Name)
}

func ofShard(_ context.Context, o client.Object) []ctrl.Request {
	return request(o, o.(*v1alpha1.EventPersisterShard).Spec.HomeserverRef.Name)
}

// ofSecret finds the Homeservers that name the Secret.
func (c *Controller) ofSecret(ctx context.Context, o client.Object) []ctrl.Request {
	var list v1alpha1.HomeserverList
	if err := c.client.List(ctx, &list, client.InNamespace(o.GetNamespace())); err != nil {
		return nil // the cache is stopping
	}
	var found []ctrl.Request
	for i := range list.Items {
		for _, k := range desired.HomeserverOf(&list.Items[i]).References() {
			if k.Secret == o.GetName() {
				found = append(found, request(o, list.Items[i].Name)...)
				break
			}
		}
	}
	return found
}

func request(o metav1.Object, name string) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: name}}}
}
