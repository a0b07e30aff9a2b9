package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/operator"
)

// Nodes does what nodes and Kubernetes' own controllers would: Deployments get pods, which are ready at once, and
// migration Jobs succeed at once.
type Nodes struct {
	stop  context.CancelFunc
	ended chan error
}

// StartNodes starts it.
func StartNodes(ctx context.Context, a *APIServer) (*Nodes, error) {
	several := true
	m, err := manager.New(a.Config, manager.Options{
		Scheme: operator.Scheme(), Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: ctrlconfig.Controller{SkipNameValidation: &several, MaxConcurrentReconciles: 4},
	})
	if err != nil {
		return nil, err
	}
	c := m.GetClient()
	if err := ctrl.NewControllerManagedBy(m).Named("deployments").For(&appsv1.Deployment{}).Owns(&corev1.Pod{}).Complete(deployments{c}); err != nil {
		return nil, err
	}
	if err := ctrl.NewControllerManagedBy(m).Named("jobs").For(&batchv1.Job{}).Complete(jobs{c}); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	n := &Nodes{stop: stop, ended: make(chan error, 1)}
	go func() { n.ended <- m.Start(ctx) }()
	return n, nil
}

// Stop ends it.
func (n *Nodes) Stop() error {
	n.stop()
	return <-n.ended
}

type deployments struct{ client client.Client }

// Reconcile gives a Deployment as many pods as it wants, and no others.
func (r deployments) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var d appsv1.Deployment
	if err := r.client.Get(ctx, req.NamespacedName, &d); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, client.InNamespace(d.Namespace), client.MatchingLabels(d.Spec.Selector.MatchLabels)); err != nil {
		return ctrl.Result{}, err
	}
	have := map[string]bool{}
	for i := range pods.Items {
		have[pods.Items[i].Name] = true
	}
	for i := range *d.Spec.Replicas {
		name := fmt.Sprintf("%s-%d", d.Name, i)
		if !have[name] {
			if err := r.pod(ctx, &d, name); err != nil {
				return ctrl.Result{}, err
			}
		}
		delete(have, name)
	}
	for name := range have {
		gone := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: name}}
		if err := r.client.Delete(ctx, gone, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
	}
	before := d.DeepCopy()
	n := *d.Spec.Replicas
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, ReadyReplicas: n, UpdatedReplicas: n, AvailableReplicas: n}
	return ctrl.Result{}, client.IgnoreNotFound(r.client.Status().Patch(ctx, &d, client.MergeFrom(before)))
}

func (r deployments) pod(ctx context.Context, d *appsv1.Deployment, name string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: name, Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: d.Spec.Template.Spec,
	}
	if err := r.client.Create(ctx, pod); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache is behind
		}
		return fmt.Errorf("create the pod %s: %w", name, err)
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}, {Type: corev1.ContainersReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Image: pod.Spec.Containers[0].Image, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		}},
	}
	return client.IgnoreNotFound(r.client.Status().Update(ctx, pod))
}

type jobs struct{ client client.Client }

// Reconcile ends a migration Job as kubelet and the controller of Jobs would: with a pod that left the result.
func (r jobs) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var job batchv1.Job
	if err := r.client.Get(ctx, req.NamespacedName, &job); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if len(job.Status.Conditions) > 0 || !job.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	labels := map[string]string{batchv1.JobNameLabel: job.Name}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: job.Name, Namespace: job.Namespace, Labels: labels},
		Spec:       job.Spec.Template.Spec,
	}
	if err := r.client.Create(ctx, pod); client.IgnoreAlreadyExists(err) != nil {
		return ctrl.Result{}, err
	}
	if err := r.client.Get(ctx, req.NamespacedName, pod); err != nil {
		return ctrl.Result{RequeueAfter: tick}, client.IgnoreNotFound(err) // the cache is behind
	}
	message := `{"reason":"Migrated","databaseID":"db-` + job.Labels[v1alpha1.LabelHomeserver] + `","schemaVersion":3}`
	pod.Status.Phase = corev1.PodSucceeded
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name:  pod.Spec.Containers[0].Name,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message}},
	}}
	if err := r.client.Status().Update(ctx, pod); err != nil {
		return ctrl.Result{}, err
	}
	now := metav1.Now()
	job.Status.StartTime, job.Status.CompletionTime, job.Status.Succeeded = &now, &now, 1
	for _, kind := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now, LastProbeTime: now})
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.client.Status().Update(ctx, &job))
}
