// Package workerpool is the controller of WorkerPools. It turns each into a Deployment and a PodDisruptionBudget, once the
// Homeserver's database is verified, has workers give away what they own before their pods are stopped, and says in the
// status how many workers are ready. The number of replicas is never its own decision: where the spec asks for autoscaling it
// makes the HorizontalPodAutoscaler that decides.
package workerpool

import (
	"context"
	"errors"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/kubeevent"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// +kubebuilder:rbac:groups=myelin.dev,resources=workerpools;homeservers,verbs=get;list;watch
// +kubebuilder:rbac:groups=myelin.dev,resources=workerpools/status,verbs=patch
// +kubebuilder:rbac:groups=myelin.dev,resources=workerpools/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch

// Controller reconciles WorkerPools.
type Controller struct {
	client client.Client
	// reader is not cached: of pods the cache holds those only that are marked as leaving.
	reader client.Reader
	apply  *apply.Applier
	events *kubeevent.Recorder
	ask    dataplane.Asker
	drain  dataplane.Drainer
	now    func() time.Time

	mu         sync.Mutex
	unanswered map[types.NamespacedName]int // questions in a row, by pool
}

// Add adds the controller to the manager.
func Add(m manager.Manager, ask dataplane.Asker, drain dataplane.Drainer, events *kubeevent.Recorder) error {
	c := &Controller{
		client: m.GetClient(), reader: m.GetAPIReader(), apply: apply.New(m.GetClient(), m.GetAPIReader(), "workerpool"),
		events: events, ask: ask, drain: drain, now: time.Now, unanswered: map[types.NamespacedName]int{},
	}
	return ctrl.NewControllerManagedBy(m).Named("workerpool").
		// Also for changes of status: one written from a cache that was behind is looked at again when the cache has it.
		For(&v1alpha1.WorkerPool{}).
		Owns(&policyv1.PodDisruptionBudget{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// Also for changes of its status, which say how it does.
		Owns(&autoscalingv2.HorizontalPodAutoscaler{}).
		// A rollout goes from pool to pool.
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(c.ofDeployment)).
		Watches(&v1alpha1.Homeserver{}, handler.EnqueueRequestsFromMapFunc(c.ofHomeserver)).
		Complete(c)
}

// Reconcile makes one pass.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var wp v1alpha1.WorkerPool
	if err := c.client.Get(ctx, req.NamespacedName, &wp); err != nil {
		c.answered(req.NamespacedName, true)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !wp.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // what it owns is collected by Kubernetes
	}
	s, err := c.look(ctx, &wp)
	if err != nil {
		return ctrl.Result{}, err
	}
	action, waiting := plan.Pool(wp.Spec.HomeserverRef.Name, s.forPool(), s.deployment != nil)
	if action == plan.PoolApply && s.siblings != nil {
		if waiting = plan.Turn(wp.Name, s.homeserver.Spec.Image, s.siblings); waiting != nil {
			action = plan.PoolScale
		}
	}
	if s.paused(&wp) != nil {
		action = plan.PoolHold
	}
	scaling := plan.Scaling{Replicas: replicas(&wp)}
	if action != plan.PoolHold && s.deployment != nil {
		if scaling, err = c.size(ctx, &wp, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	if action == plan.PoolApply && scaling.Busy() {
		action = plan.PoolScale
	}
	if err := c.walk(ctx, &wp, s, scaling.Steps); err != nil {
		return apply.Settle(ctrl.Result{}, err)
	}
	err = c.carryOut(ctx, &wp, s, action, scaling.Replicas)
	look := c.autoscale
	if s.paused(&wp) != nil {
		look = c.watchAutoscaler
	}
	autoscaling, failed := look(ctx, &wp)
	if failed != nil {
		return ctrl.Result{}, errors.Join(err, failed)
	}
	// Until somebody changes something, which may be nothing that is watched.
	stuck, err := apply.Verdict(err, "WorkerPool", plan.Refused)
	if err != nil {
		return ctrl.Result{}, err
	}
	after := scaling.After
	blind := stuck != nil || autoscaling != nil &&
		(autoscaling.Reason == v1alpha1.ReasonNameTaken || autoscaling.Reason == v1alpha1.ReasonAutoscalerRefused)
	if blind && after == 0 {
		after = apply.BlindRetry
	}
	return apply.Settle(ctrl.Result{RequeueAfter: after}, c.writeStatus(ctx, &wp, s, waiting, stuck, autoscaling, scaling.Why))
}

func (c *Controller) ofHomeserver(ctx context.Context, o client.Object) []ctrl.Request {
	return c.poolsOf(ctx, o.GetNamespace(), o.GetName())
}

func (c *Controller) ofDeployment(ctx context.Context, o client.Object) []ctrl.Request {
	return c.poolsOf(ctx, o.GetNamespace(), o.GetLabels()[v1alpha1.LabelHomeserver])
}

func (c *Controller) poolsOf(ctx context.Context, namespace, homeserver string) []ctrl.Request {
	var pools v1alpha1.WorkerPoolList
	if err := c.client.List(ctx, &pools, client.InNamespace(namespace)); err != nil {
		return nil // the cache is stopping
	}
	var found []ctrl.Request
	for i := range pools.Items {
		if pools.Items[i].Spec.HomeserverRef.Name == homeserver {
			found = append(found, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&pools.Items[i])})
		}
	}
	return found
}

// get reads an object from the cache; it returns false if there is none.
func get(ctx context.Context, c client.Client, name client.ObjectKey, o client.Object) (bool, error) {
	err := c.Get(ctx, name, o)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
