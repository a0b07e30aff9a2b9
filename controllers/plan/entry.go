package plan

import "github.com/myelin-hs/myelin/api/v1alpha1"

// IngressMade is the verdict for an Ingress that is as the spec wants it. Whether a controller serves it, it does not know.
func IngressMade() Verdict {
	return yes(v1alpha1.ReasonIngressMade, "The Ingress is made.")
}

// IngressRefused is the verdict for an Ingress that the API server, or what it asks, does not accept.
func IngressRefused(why string) Verdict {
	return no(v1alpha1.ReasonIngressRefused, "The API server refuses the Ingress; mend spec.ingress: "+sentence(why))
}
