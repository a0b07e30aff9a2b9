package plan

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// IngressMade is the verdict for an Ingress that is as the spec wants it. Whether a controller serves it, it does not know.
func IngressMade() Verdict {
	return yes(v1alpha1.ReasonIngressMade, "The Ingress is made.")
}

// IngressRefused is the verdict for an Ingress that the API server, or what it asks, does not accept.
func IngressRefused(why string) Verdict {
	return no(v1alpha1.ReasonIngressRefused, "The API server refuses the Ingress; mend spec.ingress: "+sentence(why))
}

// SetEntry sets the condition of a way in from outside, which is there while the spec asks for it. Without a verdict, as while
// the Homeserver is paused, it stays as it is.
func SetEntry(conditions *[]metav1.Condition, kind string, asked bool, v *Verdict, generation int64) {
	switch {
	case !asked:
		meta.RemoveStatusCondition(conditions, kind)
	case v != nil:
		Set(conditions, kind, *v, generation)
	}
}
