package plan

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Paused is the verdict for what a paused object, as in "Homeserver demo", keeps from changing.
func Paused(object string) Verdict {
	return yes(v1alpha1.ReasonPaused, fmt.Sprintf("The operator changes nothing: remove the annotation %s from the %s to go on.", v1alpha1.AnnotationPaused, object))
}

// SetPaused sets the condition Paused while there is a verdict. A paused object does not reconcile.
func SetPaused(conditions *[]metav1.Condition, paused *Verdict, generation int64) {
	setWhile(conditions, v1alpha1.ConditionPaused, paused, generation)
	if paused != nil {
		setWhile(conditions, v1alpha1.ConditionReconciling, nil, generation)
	}
}

// WhilePaused is the decision without its Job.
func (d MigrationDecision) WhilePaused() MigrationDecision {
	if d.Start > 0 && d.Ready.Reason == v1alpha1.ReasonMigrationRunning {
		d.Ready = unknown(v1alpha1.ReasonPaused, "The database is not verified for the present image and secrets while the Homeserver is paused: remove the annotation "+v1alpha1.AnnotationPaused+".")
	}
	if d.Start > 0 {
		d.Start, d.After = 0, 0
	}
	return d
}
