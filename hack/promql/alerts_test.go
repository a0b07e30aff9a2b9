package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/promqltest"
	"go.yaml.in/yaml/v2"
)

// expressions are those of the alerts, each on one line.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "components", "monitoring", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
	}
	if err := yaml.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, group := range read.Spec.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = strings.Join(strings.Fields(rule.Expr), " ")
		}
	}
	return all
}

// autoscaling is the series of a pool's condition with the reason.
func autoscaling(pool, reason, values string) string {
	return fmt.Sprintf(`myelin_resource_condition{kind="WorkerPool", namespace="n", name=%q, condition="Autoscaling", reason=%q} %s`, pool, reason, values)
}

// Each alert stands, an hour after the beginning, over what it is about, and not over what looks like it. Samples are 30 s
// apart; the result is the alert's series with its value, or nothing.
func TestAlertsStandOverWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	const (
		of   = `namespace="n", homeserver="h"`
		podA = of + `, pod="a"`
		podB = of + `, pod="b"`
	)
	all := expressions(t)
	tried := map[string]bool{}
	for name, test := range map[string]struct {
		alert  string
		series []string
		result string
	}{
		"no persister": {"MyelinNoPersister", []string{
			`myelin_gateway_requests_in_flight{` + podA + `} 1x120`, `myelin_lease_shards_held{` + podA + `} 0x120`,
		}, `{` + of + `} 1`},
		"a persister": {"MyelinNoPersister", []string{
			`myelin_gateway_requests_in_flight{` + podA + `} 1x120`, `myelin_lease_shards_held{` + podB + `} 64x120`,
		}, ``},
		"shards lost": {"MyelinShardsUnserved", []string{
			`myelin_lease_shards_held{` + podA + `} 32x120`, `myelin_lease_shards_held{` + podB + `} 32x60 0x60`,
		}, `{` + of + `} 32`},
		"shards moved": {"MyelinShardsUnserved", []string{
			`myelin_lease_shards_held{` + podA + `} 32x60 64x60`, `myelin_lease_shards_held{` + podB + `} 32x60 0x60`,
		}, ``},
		"errors": {"MyelinErrors", []string{
			`myelin_gateway_request_seconds_count{` + podA + `, status="5xx"} 0+1x120`, `myelin_gateway_request_seconds_count{` + podB + `, status="2xx"} 0+3x120`,
		}, `{` + of + `} 0.25`},
		"refusals": {"MyelinErrors", []string{
			`myelin_gateway_request_seconds_count{` + podA + `, status="4xx"} 0+1x120`, `myelin_gateway_request_seconds_count{` + podB + `, status="2xx"} 0+3x120`,
		}, ``},
		"a write waits": {"MyelinWritesWait", []string{
			`myelin_persister_queue_age_seconds{` + podA + `} 9x120`, `myelin_persister_queue_age_seconds{` + podB + `} 0x120`,
		}, `{` + podA + `} 9`},
		"the horizon stopped": {"MyelinHorizonStopped", []string{
			`myelin_horizon_heard_timestamp_seconds{` + podA + `} 3500x120`, `myelin_horizon_heard_timestamp_seconds{` + podB + `} 3000x120`,
		}, `{` + of + `} 100`},
		"one does not hear the horizon": {"MyelinHorizonStopped", []string{
			`myelin_horizon_heard_timestamp_seconds{` + podA + `} 3000x120`, `myelin_horizon_heard_timestamp_seconds{` + podB + `} 3599x120`,
		}, ``},
		"a worker that never listened": {"MyelinHorizonNotHeard", []string{`myelin_horizon_heard_timestamp_seconds{` + podA + `} 0x120`}, ``},
		"one does not hear it": {"MyelinHorizonNotHeard", []string{
			`myelin_horizon_heard_timestamp_seconds{` + podA + `} 3000x120`, `myelin_horizon_heard_timestamp_seconds{` + podB + `} 3599x120`,
		}, `{` + podA + `} 600`},
		"sync lags": {"MyelinSyncLags", []string{`myelin_sync_lag_seconds{` + podA + `} 7x120`}, `{` + podA + `} 7`},
		"nobody knows by how much sync lags": {"MyelinSyncLags", []string{
			`myelin_sync_lag_seconds{` + podA + `} ` + strings.Repeat("NaN ", 121), `myelin_sync_lag_seconds{` + podB + `} 0x120`,
		}, ``},
		"one sync worker lags, and of another nobody knows": {"MyelinSyncLags", []string{
			`myelin_sync_lag_seconds{` + podA + `} ` + strings.Repeat("NaN ", 121), `myelin_sync_lag_seconds{` + podB + `} 7x120`,
		}, `{` + podB + `} 7`},
		"blocks fail":     {"MyelinBlocksFail", []string{`myelin_persister_failed_blocks_total{` + podA + `, kind="unknown"} 0+30x120`}, `{` + of + `, kind="unknown"} 1`},
		"shards move":     {"MyelinBlocksFail", []string{`myelin_persister_failed_blocks_total{` + podA + `, kind="lost"} 0+30x120`}, ``},
		"takeovers":       {"MyelinTakeovers", []string{`myelin_lease_takeovers_total{` + podA + `, evidence="expired"} 0+1x120`}, `{` + of + `} 30`},
		"heartbeats fail": {"MyelinHeartbeatsFail", []string{`myelin_lease_heartbeat_failures_total{` + podA + `} 0+15x120`}, `{` + of + `} 0.5`},
		"a slow disk": {"MyelinDatabaseSlow", []string{
			`myelin_persister_commit_seconds_bucket{` + podA + `, le="1"} 0x120`, `myelin_persister_commit_seconds_bucket{` + podA + `, le="2"} 0+10x120`,
			`myelin_persister_commit_seconds_bucket{` + podA + `, le="+Inf"} 0+10x120`,
		}, `{` + of + `} 1.99`},
		"Redis away":    {"MyelinBusBroken", []string{`myelin_horizon_publish_errors_total{` + podA + `} 0+30x120`}, `{` + of + `} 1`},
		"a failover":    {"MyelinDatabaseFailedOver", []string{`myelin_lease_barriers_total{` + podA + `} 0+1x120`}, `{` + of + `} 60`},
		"nothing fails": {"MyelinDatabaseFailedOver", []string{`myelin_lease_barriers_total{` + podA + `} 1x120`}, ``},
		"not ready": {"MyelinNotReady", []string{
			`myelin_resource_condition{kind="Homeserver", namespace="n", name="h", condition="Ready", reason="RoleMissing"} 0x120`,
		}, `{kind="Homeserver", namespace="n", name="h"} 0`},
		"not ready before": {"MyelinNotReady", []string{
			`myelin_resource_condition{kind="Homeserver", namespace="n", name="h", condition="Ready", reason="RoleMissing"} 0x60 stale`,
			`myelin_resource_condition{kind="Homeserver", namespace="n", name="h", condition="Ready", reason="Ready"} _x60 1x60`,
		}, ``},
		"paused": {"MyelinNotReady", []string{
			`myelin_resource_condition{kind="Homeserver", namespace="n", name="h", condition="Ready", reason="RoleMissing"} 0x120`,
			`myelin_resource_condition{kind="Homeserver", namespace="n", name="h", condition="Paused", reason="Paused"} 1x120`,
		}, ``},
		"stalled": {"MyelinStalled", []string{
			`myelin_resource_condition{kind="WorkerPool", namespace="n", name="p", condition="Stalled", reason="NameTaken"} 1x120`,
		}, `{kind="WorkerPool", namespace="n", name="p", reason="NameTaken"} 1`},
		"a pool does not follow its load": {"MyelinNotAutoscaled", []string{
			autoscaling(`a`, `LagUnknown`, `0x120`), autoscaling(`b`, `AutoscalingActive`, `1x120`), autoscaling(`c`, `ScaledToZero`, `0x120`),
			autoscaling(`d`, `LagUnknown`, `0x60 stale`), autoscaling(`d`, `AutoscalingLimited`, `_x60 1x60`),
			autoscaling(`e`, `MetricsUnavailable`, `0x120`), `myelin_resource_condition{kind="WorkerPool", namespace="n", name="e", condition="Paused", reason="Paused"} 1x120`,
		}, `{kind="WorkerPool", namespace="n", name="a"} 0`},
		"nobody looks at autoscalers": {"MyelinNotAutoscaled", []string{autoscaling(`a`, `AutoscalerUnanswered`, `-1x120`)},
			`{kind="WorkerPool", namespace="n", name="a"} -1`},
		"no operator": {"MyelinOperatorSilent", []string{`myelin_lease_shards_held{` + podA + `} 64x120`}, `{} 1`},
		"an operator": {"MyelinOperatorSilent", []string{
			`myelin_lease_shards_held{` + podA + `} 64x120`,
			`myelin_resource_condition{kind="WorkerPool", namespace="n", name="p", condition="Ready", reason="AllReplicasReady"} 1x120`,
		}, ``},
		"the operator fails": {"MyelinOperatorFails", []string{
			`controller_runtime_reconcile_errors_total{namespace="s", controller="homeserver"} 0+3x120`,
		}, `{namespace="s", controller="homeserver"} 0.1`},
	} {
		if all[test.alert] == "" {
			t.Errorf("%s: there is no alert %s", name, test.alert)
			continue
		}
		tried[test.alert] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promqltest.RunTest(t, fmt.Sprintf("load 30s\n  %s\n\neval instant at 1h %s\n  %s\n",
				strings.Join(test.series, "\n  "), all[test.alert], test.result), promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery))
		})
	}
	for alert := range all {
		if !tried[alert] {
			t.Errorf("%s is not tried", alert)
		}
	}
}
