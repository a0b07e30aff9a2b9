// Package persistershard is the controller of EventPersisterShards. It makes one for each shard of a Homeserver, and shows in
// their status who owns the shards, as the workers tell. It works on all shards of a Homeserver at once, because one
// answer of the admin API speaks of all.
package persistershard

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/kubeevent"
	"github.com/myelin-hs/myelin/controllers/plan"
)

const (
	// pollEvery is how often the workers are asked while all is well; pollSoon, while a shard is not claimed.
	pollEvery = 5 * time.Second
	pollSoon  = time.Second
	// atOnce is how many Homeservers are looked after at a time: one whose workers do not answer must not hold up the others.
	atOnce = 8
	// patience is how many questions in a row may fail before the shards' owners count as unknown.
	patience = 3
)

// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers;workerpools,verbs=get;list;watch
// +kubebuilder:rbac:groups=myelin.dev,resources=homeservers/status,verbs=patch
// +kubebuilder:rbac:groups=myelin.dev,resources=eventpersistershards,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=myelin.dev,resources=eventpersistershards/status,verbs=patch

// Controller reconciles the EventPersisterShards of Homeservers.
type Controller struct {
	client client.Client
	reader client.Reader
	apply  *apply.Applier
	events *kubeevent.Recorder
	ask    dataplane.Asker

	mu    sync.Mutex
	links map[types.NamespacedName]*link // by Homeserver
}

// link is what is remembered of asking a homeserver's workers.
type link struct {
	credential string // empty: to be read
	failures   int    // in a row
	// workers as they told last; nil: they have not yet.
	workers *plan.Members
	// lag is what the status of each pool says of it.
	lag map[string]plan.LagShown
}

// Add adds the controller to the manager.
func Add(m manager.Manager, ask dataplane.Asker, events *kubeevent.Recorder) error {
	c := &Controller{
		client: m.GetClient(), reader: m.GetAPIReader(), apply: apply.New(m.GetClient(), m.GetAPIReader(), "persistershard"),
		events: events, ask: ask, links: map[types.NamespacedName]*link{},
	}
	return ctrl.NewControllerManagedBy(m).Named("persistershard").
		WithOptions(controller.Options{MaxConcurrentReconciles: atOnce}).
		For(&v1alpha1.Homeserver{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		// Also after its own writes of status: one written from a cache that was behind is looked at again.
		Owns(&v1alpha1.EventPersisterShard{}).
		Watches(&v1alpha1.WorkerPool{}, handler.EnqueueRequestsFromMapFunc(ofPool)).
		Complete(c)
}

// Reconcile makes one pass over a Homeserver's shards.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var hs v1alpha1.Homeserver
	if err := c.client.Get(ctx, req.NamespacedName, &hs); err != nil {
		c.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !hs.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	s, err := c.look(ctx, &hs)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !v1alpha1.Paused(&hs) {
		if err := errors.Join(c.adoptOrphans(ctx, &hs, s), c.createMissing(ctx, &hs, s)); err != nil {
			return apply.Settle(ctrl.Result{}, err)
		}
	}
	if !s.serving {
		c.forget(req.NamespacedName)
		return apply.Settle(ctrl.Result{}, errors.Join(c.writeUnknown(ctx, s, nil), c.writeRedis(ctx, &hs, ""), c.writeNoLag(ctx, s)))
	}
	l := c.linkTo(&hs)
	status, failures, err := c.question(ctx, &hs, l)
	switch {
	case err == nil:
	case failures < patience:
		return ctrl.Result{RequeueAfter: pollSoon}, nil
	default:
		if failures == patience {
			log.FromContext(ctx).Error(err, "the workers do not answer")
		}
		return apply.Settle(ctrl.Result{RequeueAfter: pollEvery}, errors.Join(c.writeUnknown(ctx, s, err), c.writeRedis(ctx, &hs, ""), c.writeNoLag(ctx, s)))
	}
	after := pollEvery
	for _, shard := range status.Shards {
		if !shard.Claimed {
			after = pollSoon
		}
	}
	if err := c.writeRedis(ctx, &hs, status.Redis); err != nil {
		return apply.Settle(ctrl.Result{}, err)
	}
	return apply.Settle(ctrl.Result{RequeueAfter: after}, errors.Join(c.writeStatus(ctx, &hs, s, status, l.workers), c.writeLag(ctx, s, l, status)))
}

func ofPool(_ context.Context, o client.Object) []ctrl.Request {
	name := o.(*v1alpha1.WorkerPool).Spec.HomeserverRef.Name
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}
