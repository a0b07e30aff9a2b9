package plan

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// A Verdict is what a condition says. Reason is one of the Reason constants of the API; Message is a sentence that says
// what to do.
type Verdict struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

func yes(reason, message string) Verdict { return Verdict{metav1.ConditionTrue, reason, message} }
func no(reason, message string) Verdict  { return Verdict{metav1.ConditionFalse, reason, message} }
func unknown(reason, message string) Verdict {
	return Verdict{metav1.ConditionUnknown, reason, message}
}

// Is reports whether the verdict is True.
func (v Verdict) Is() bool { return v.Status == metav1.ConditionTrue }

// Set puts a verdict into conditions. The time of the last transition changes only with the status.
func Set(conditions *[]metav1.Condition, kind string, v Verdict, generation int64) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: v.Status, Reason: v.Reason, Message: v.Message, ObservedGeneration: generation,
	})
}

// SetProgress sets Ready, and Reconciling or Stalled, which are there only while they are true. A stalled object does not
// reconcile.
func SetProgress(conditions *[]metav1.Condition, ready Verdict, reconciling, stalled *Verdict, generation int64) {
	if stalled != nil {
		reconciling = nil
	}
	Set(conditions, v1alpha1.ConditionReady, ready, generation)
	setWhile(conditions, v1alpha1.ConditionReconciling, reconciling, generation)
	setWhile(conditions, v1alpha1.ConditionStalled, stalled, generation)
}

func setWhile(conditions *[]metav1.Condition, kind string, v *Verdict, generation int64) {
	if v == nil {
		meta.RemoveStatusCondition(conditions, kind)
		return
	}
	Set(conditions, kind, yes(v.Reason, v.Message), generation)
}

// SetOptional sets the condition of something that the spec may ask for, such as a way in from outside: it is there while that
// is so. Without a verdict, as while the object is paused, it stays as it is.
func SetOptional(conditions *[]metav1.Condition, kind string, asked bool, v *Verdict, generation int64) {
	switch {
	case !asked:
		meta.RemoveStatusCondition(conditions, kind)
	case v != nil:
		Set(conditions, kind, *v, generation)
	}
}
