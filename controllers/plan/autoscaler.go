package plan

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// AutoscalerSeen is what the controller of HorizontalPodAutoscalers wrote of one.
type AutoscalerSeen struct {
	Conditions []AutoscalerCondition
	// LagMissing: it did not get the lag that it is to follow, and went by the rest at its last look.
	LagMissing bool
}

// AutoscalerCondition is one that the controller of HorizontalPodAutoscalers wrote.
type AutoscalerCondition struct {
	Type, Reason, Message string
	True                  bool
}

// Autoscaling judges a pool's autoscaler by what was seen of it, which is nothing if no controller has looked at it. Nothing
// that differs from one of its looks to the next is in the message.
func Autoscaling(seen AutoscalerSeen) Verdict {
	by := map[string]AutoscalerCondition{}
	for _, c := range seen.Conditions {
		by[c.Type] = c
	}
	able, active := by["AbleToScale"], by["ScalingActive"]
	switch {
	case able.Type != "" && !able.True:
		return no(v1alpha1.ReasonAutoscalerFailed, "The autoscaler cannot read or set the pool's replicas; look at the HorizontalPodAutoscaler: "+sentence(able.Message))
	case active.Type == "":
		return unknown(v1alpha1.ReasonAutoscalerUnanswered, "No controller has looked at the HorizontalPodAutoscaler yet: wait, or see whether the cluster has one.")
	case active.True && seen.LagMissing:
		return no(v1alpha1.ReasonLagUnknown, "The lag is not known, so the pool follows its CPU alone, which may make it grow and never shrink: look at the "+
			"Homeserver's conditions, at kubectl myelin workers, and whether the metrics adapter is ready.")
	case active.True:
		if limited := by["ScalingLimited"]; limited.True && limited.Reason == "TooManyReplicas" {
			return yes(v1alpha1.ReasonAutoscalingLimited, "The pool is as large as autoscaling.maxReplicas allows, and its load asks for more: give it more, if there is room.")
		}
		return yes(v1alpha1.ReasonAutoscalingActive, "The autoscaler sets the pool's replicas.")
	case active.Reason == "ScalingDisabled":
		return no(v1alpha1.ReasonScaledToZero, "The pool is scaled to 0, and is left so: scale it to 1 or more to have it autoscaled again.")
	}
	if _, why, found := strings.Cut(active.Message, lag.ErrUnknown.Error()); found {
		return no(v1alpha1.ReasonLagUnknown, "The lag is not known, so the pool stays as it is: look at the Homeserver's conditions and at kubectl myelin workers"+tail(why))
	}
	return no(v1alpha1.ReasonMetricsUnavailable, "The autoscaler gets no metrics, so the pool stays as it is; see that the metrics adapter is installed and ready "+
		"for a lag target, and the metrics server for a CPU target: "+sentence(active.Message))
}

// tail is what followed the words of an error, as the end of a sentence.
func tail(why string) string {
	why = strings.Trim(why, ": .")
	if why == "" {
		return "."
	}
	return fmt.Sprintf(" (%s).", shorten(why))
}

// AutoscalerRefused is the verdict for an autoscaler that the API server does not take.
func AutoscalerRefused(why string) Verdict {
	return no(v1alpha1.ReasonAutoscalerRefused, "The API server refuses the HorizontalPodAutoscaler; mend spec.autoscaling: "+sentence(why))
}

// AutoscalingNotice tells of a change of the condition Autoscaling; nil if there is none, or none to tell of, as when the
// autoscaler was made a moment ago.
func AutoscalingNotice(before, now *metav1.Condition) *Notice {
	if now == nil || now.Reason == v1alpha1.ReasonAutoscalerUnanswered || before != nil && before.Status == now.Status && before.Reason == now.Reason {
		return nil
	}
	return &Notice{Reason: now.Reason, Message: now.Message, Warning: now.Status == metav1.ConditionFalse}
}
