package desired

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// given is a variable that the spec of a pool asks for.
func given(e v1alpha1.EnvVar) *corev1ac.EnvVarApplyConfiguration {
	if e.ValueFrom == nil {
		return value(e.Name, e.Value)
	}
	source := corev1ac.EnvVarSource()
	if r := e.ValueFrom.SecretKeyRef; r != nil {
		source.WithSecretKeyRef(corev1ac.SecretKeySelector().WithName(r.Name).WithKey(r.Key))
	}
	if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
		source.WithConfigMapKeyRef(corev1ac.ConfigMapKeySelector().WithName(r.Name).WithKey(r.Key))
	}
	return corev1ac.EnvVar().WithName(e.Name).WithValueFrom(source)
}
