package operator

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

// Scheme knows the kinds that the operator handles, and no more: each costs memory.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		v1alpha1.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
		autoscalingv2.AddToScheme,
	} {
		utilruntime.Must(add(s))
	}
	return s
}

// cacheOptions keep in memory only what the operator made, and never a Secret.
func cacheOptions(namespaces []string) cache.Options {
	own := cache.ByObject{Label: desired.Managed()}
	o := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}:                     own,
			&batchv1.Job{}:                           own,
			&corev1.Service{}:                        own,
			&networkingv1.NetworkPolicy{}:            own,
			&networkingv1.Ingress{}:                  own,
			&policyv1.PodDisruptionBudget{}:          own,
			&autoscalingv2.HorizontalPodAutoscaler{}: own,
			&corev1.Pod{}:                            {Label: desired.Leaving()}, // of pods only those that are to be stopped
		},
	}
	if len(namespaces) > 0 {
		o.DefaultNamespaces = map[string]cache.Config{}
		for _, name := range namespaces {
			o.DefaultNamespaces[name] = cache.Config{}
		}
	}
	return o
}
