package operator_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/operator"
)

func TestConditionsAreToldAsMetrics(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	for kind, status := range map[string]metav1.ConditionStatus{"Ready": "False", "SecretsReady": "True", "DatabaseReady": "Unknown"} {
		hs.Status.Conditions = append(hs.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: "Because", LastTransitionTime: metav1.Now(),
		})
	}
	require.NoError(t, cluster.Status().Update(t.Context(), &hs))

	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(operator.Conditions(t.Context(), cluster)))
	families, err := registry.Gather()
	require.NoError(t, err)
	told := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["namespace"] == s.name {
			require.Equal(t, []string{"Homeserver", "demo", "Because"}, []string{labels["kind"], labels["name"], labels["reason"]})
			told[labels["condition"]] = m.GetGauge().GetValue()
		}
	}
	require.Equal(t, map[string]float64{"Ready": 0, "SecretsReady": 1, "DatabaseReady": -1}, told)
}
