package desired

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Pool is what builders need to know of a WorkerPool.
type Pool struct {
	Homeserver       Homeserver
	Name             string
	Roles            []string
	Replicas         int32
	Requests, Limits Amounts
	MaxConns         *int32
	LogLevel         string
	Env              []v1alpha1.EnvVar
	NodeSelector     map[string]v1alpha1.LabelValue
	Tolerations      []v1alpha1.Toleration
	Spread           []v1alpha1.TopologySpread
}

// PoolOf extracts what builders need.
func PoolOf(wp *v1alpha1.WorkerPool, h Homeserver) Pool {
	p := Pool{
		Homeserver: h, Name: wp.Name, Replicas: 1,
		Requests: Amounts(wp.Spec.Resources.Requests), Limits: Amounts(wp.Spec.Resources.Limits),
		MaxConns: wp.Spec.MaxConnections, LogLevel: wp.Spec.LogLevel, Env: wp.Spec.Env,
		NodeSelector: wp.Spec.NodeSelector, Tolerations: wp.Spec.Tolerations, Spread: wp.Spec.TopologySpread,
	}
	for _, r := range wp.Spec.Roles {
		p.Roles = append(p.Roles, string(r))
	}
	slices.Sort(p.Roles)
	if wp.Spec.Replicas != nil {
		p.Replicas = *wp.Spec.Replicas
	}
	return p
}

// Deployment runs the pool's workers. A new worker is started before an old one is stopped, which has 60 s to hand its
// shards over. Nothing in the template depends on the number of replicas or on another pool.
func Deployment(p Pool, o Owner) *appsv1ac.DeploymentApplyConfiguration {
	h := p.Homeserver
	selector := PoolPods(h.Name, p.Name)
	roles := labels.Set{labelComponent: "worker"}
	for _, r := range p.Roles {
		roles[v1alpha1.LabelRolePrefix+r] = "true"
	}
	files := workerFiles(h)
	worker := container(h, files, workerEnv(p), "worker", "run").
		WithPorts(
			corev1ac.ContainerPort().WithName("public").WithContainerPort(publicPort).WithProtocol(corev1.ProtocolTCP),
			corev1ac.ContainerPort().WithName("internal").WithContainerPort(internalPort).WithProtocol(corev1.ProtocolTCP),
			corev1ac.ContainerPort().WithName("probes").WithContainerPort(probePort).WithProtocol(corev1.ProtocolTCP)).
		WithResources(resources(p.Requests, p.Limits)).
		WithLivenessProbe(probe("/healthz").WithPeriodSeconds(10).WithTimeoutSeconds(5).WithFailureThreshold(6)).
		WithReadinessProbe(probe("/ready").WithPeriodSeconds(2).WithTimeoutSeconds(2).WithFailureThreshold(2)).
		WithStartupProbe(probe("/healthz").WithPeriodSeconds(1).WithTimeoutSeconds(2).WithFailureThreshold(120))
	pod := podSpec(h, files).
		WithTerminationGracePeriodSeconds(60).
		WithContainers(worker)
	place(pod, p.NodeSelector, p.Tolerations)
	spread(pod, p.Spread, selector)
	return appsv1ac.Deployment(p.Name, h.Namespace).
		WithLabels(merge(managed(h.Name), selector)).
		WithOwnerReferences(o.reference()).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(p.Replicas).
			WithRevisionHistoryLimit(3).
			WithProgressDeadlineSeconds(600).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector)).
			WithStrategy(appsv1ac.DeploymentStrategy().
				WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
					WithMaxSurge(intstr.FromInt32(1)).WithMaxUnavailable(intstr.FromInt32(0)))).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(merge(selector, roles)).
				WithAnnotations(map[string]string{LabelInputs: h.Inputs}).
				WithSpec(pod)))
}

func workerEnv(p Pool) []*corev1ac.EnvVarApplyConfiguration {
	h := p.Homeserver
	env := []*corev1ac.EnvVarApplyConfiguration{
		field("POD_NAME", "metadata.name"),
		field("POD_IP", "status.podIP"),
		value("MYELIN_SERVER_NAME", h.ServerName),
		value("MYELIN_HOMESERVER_ID", h.ID()),
		value("MYELIN_DATABASE_ID", h.DatabaseID),
		value("MYELIN_POOL", p.Name),
		value("MYELIN_ROLES", strings.Join(p.Roles, ",")),
		value("MYELIN_REGISTRATION", h.RegistrationMode),
		value("MYELIN_LOG_FORMAT", "json"),
		value("MYELIN_LOG_LEVEL", p.LogLevel),
	}
	if uri := h.Redis.URI; uri != "" {
		env = append(env, value("MYELIN_REDIS_URI", uri))
	}
	if h.PublicBaseURL != "" {
		env = append(env, value("MYELIN_PUBLIC_BASE_URL", h.PublicBaseURL))
	}
	if p.MaxConns != nil {
		env = append(env, value("MYELIN_MAX_CONNS", strconv.Itoa(int(*p.MaxConns))))
	}
	if m := p.Limits.Memory; m != nil {
		// A tenth is left for what the Go runtime does not count.
		env = append(env, value("GOMEMLIMIT", strconv.FormatInt(m.Value()/10*9, 10)))
	}
	for _, e := range p.Env {
		env = append(env, given(e))
	}
	return env
}

func probe(path string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString("probes")))
}

// DisruptionBudget lets a node drain evict one worker of the pool at a time, and those that are not ready at any time: they
// serve nothing, and would keep the node from being drained.
func DisruptionBudget(p Pool, o Owner) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(p.Name, p.Homeserver.Namespace).
		WithLabels(managed(p.Homeserver.Name)).
		WithOwnerReferences(o.reference()).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(PoolPods(p.Homeserver.Name, p.Name))))
}
