package plan

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MigrationNotice tells of a change of the condition DatabaseReady; nil if there is none.
func MigrationNotice(before, now *metav1.Condition) *Notice {
	if now == nil || before != nil && before.Status == now.Status && before.Reason == now.Reason {
		return nil
	}
	return &Notice{Reason: now.Reason, Message: now.Message, Warning: now.Status == metav1.ConditionFalse}
}
