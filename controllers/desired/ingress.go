package desired

import (
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Ingress leads clients and other servers to the gateways. Only Matrix's paths are served.
func Ingress(h Homeserver, i v1alpha1.Ingress, o Owner) *networkingv1ac.IngressApplyConfiguration {
	const wellKnown = "/.well-known/matrix"
	rule := func(host v1alpha1.IngressHost, paths ...string) *networkingv1ac.IngressRuleApplyConfiguration {
		all := networkingv1ac.HTTPIngressRuleValue()
		for _, path := range paths {
			all.WithPaths(networkingv1ac.HTTPIngressPath().
				WithPath(path).WithPathType(networkingv1.PathTypePrefix).
				WithBackend(networkingv1ac.IngressBackend().WithService(networkingv1ac.IngressServiceBackend().
					WithName(h.Name).WithPort(networkingv1ac.ServiceBackendPort().WithName("http")))))
		}
		return networkingv1ac.IngressRule().WithHost(string(host)).WithHTTP(all)
	}
	hosts := []string{string(i.Host)}
	spec := networkingv1ac.IngressSpec().WithRules(rule(i.Host, "/_matrix", wellKnown))
	if i.WellKnownHost != "" && i.WellKnownHost != i.Host {
		hosts = append(hosts, string(i.WellKnownHost))
		spec.WithRules(rule(i.WellKnownHost, wellKnown))
	}
	if i.ClassName != "" {
		spec.WithIngressClassName(i.ClassName)
	}
	if i.TLSSecretRef != nil {
		spec.WithTLS(networkingv1ac.IngressTLS().WithHosts(hosts...).WithSecretName(i.TLSSecretRef.Name))
	}
	ingress := networkingv1ac.Ingress(h.Name, h.Namespace).
		WithLabels(managed(h.Name)).
		WithOwnerReferences(o.reference()).
		WithSpec(spec)
	for name, v := range i.Annotations {
		ingress.WithAnnotations(map[string]string{name: string(v)})
	}
	return ingress
}
