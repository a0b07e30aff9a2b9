package install

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	_ "sigs.k8s.io/controller-runtime/pkg/controller" // registers its metrics
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// registered are the metrics that workers and the operator have. A histogram's series have suffixes.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	add := func(name string) {
		for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
			names[name+suffix] = true
		}
	}
	metric := regexp.MustCompile(`(?:Name:\s+|NewDesc\()"(myelin_\w+)"`)
	for _, folder := range []string{"pkg", "controllers"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range metric.FindAllSubmatch(text, -1) {
				add(string(found[1]))
			}
			return err
		}))
	}
	description := regexp.MustCompile(`fqName: "(\w+)"`)
	for _, registry := range []prometheus.Collector{telemetry.Registry, metrics.Registry.(prometheus.Collector)} {
		descriptions := make(chan *prometheus.Desc, 1000)
		registry.Describe(descriptions)
		close(descriptions)
		for d := range descriptions {
			add(description.FindStringSubmatch(d.String())[1])
		}
	}
	return names
}

// used parses the expressions as Prometheus does, and gives the metrics in each.
func used(t *testing.T, expressions []string) [][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = filepath.Join(root, "hack", "promql")
	cmd.Stdin = strings.NewReader(strings.Join(expressions, "\n") + "\n")
	var all [][]string
	for line := range bytes.Lines(run(t, cmd)) {
		var names []string
		require.NoError(t, json.Unmarshal(line, &names))
		all = append(all, names)
	}
	require.Len(t, all, len(expressions))
	return all
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	spec := readYAML(t, "config", "components", "monitoring", "rules.yaml")["spec"]
	text, err := json.Marshal(spec)
	require.NoError(t, err)
	var read struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, json.Unmarshal(text, &read))
	require.NotEmpty(t, read.Groups)
	return read.Groups[0].Rules
}

func TestAlertsAreOfMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	have, all := registered(t), rules(t)
	var expressions []string
	for _, r := range all {
		expressions = append(expressions, r.Expr)
	}
	for i, names := range used(t, expressions) {
		require.NotEmpty(t, names, all[i].Alert)
		for _, name := range names {
			require.True(t, have[name], "%s is of %s, which nothing registers", all[i].Alert, name)
		}
	}
}

// Whoever is woken by an alert finds what to do about it.
func TestEveryAlertHasItsPlaceInTheRunbook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "monitoring.md"))
	require.NoError(t, err)
	const page = "https://github.com/myelin-hs/myelin/blob/main/docs/monitoring.md#"
	alerts := map[string]bool{}
	for _, r := range rules(t) {
		alerts[r.Alert] = true
		require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.Equal(t, page+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
		require.Contains(t, string(text), "\n### "+r.Alert+"\n")
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (Myelin\w+)$`).FindAllStringSubmatch(string(text), -1) {
		require.True(t, alerts[heading[1]], "there is no alert %s", heading[1])
	}
}

func TestDashboardIsOfMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "config", "components", "monitoring", "dashboard.json"))
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title, Description, Type string
			Targets                  []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	have := registered(t)
	var expressions, titles []string
	for _, p := range dashboard.Panels {
		if p.Type != "row" {
			require.NotEmpty(t, p.Targets, p.Title)
			require.NotEmpty(t, p.Description, p.Title)
		}
		for _, target := range p.Targets {
			expressions = append(expressions, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			titles = append(titles, p.Title)
		}
	}
	for i, names := range used(t, expressions) {
		require.NotEmpty(t, names, titles[i])
		for _, name := range names {
			require.True(t, have[name], "%s is of %s, which nothing registers", titles[i], name)
		}
	}
}
