package install

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func readYAML(t *testing.T, path ...string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	require.NoError(t, err)
	asJSON, err := yaml.YAMLToJSONStrict(text)
	require.NoError(t, err)
	var read map[string]any
	require.NoError(t, json.Unmarshal(asJSON, &read))
	return read
}

// walk compares what the schema describes with what values.yaml has.
func walk(t *testing.T, path string, schema, values map[string]any) {
	properties := schema["properties"].(map[string]any)
	require.Equal(t, false, schema["additionalProperties"], "%s: a mistyped name has to be refused", path)
	for name := range values {
		require.Contains(t, properties, name, "%s%s has no schema", path, name)
	}
	for name, p := range properties {
		property := p.(map[string]any)
		require.NotEmpty(t, property["description"], path+name)
		require.NotEmpty(t, property["type"], path+name)
		if path+name == "global" { // Helm adds it to every chart
			continue
		}
		require.Contains(t, values, name, "%s%s has no default in values.yaml", path, name)
		if property["properties"] != nil {
			walk(t, path+name+".", property, values[name].(map[string]any))
		}
	}
}

func TestEveryValueIsDescribedTypedAndHasADefault(t *testing.T) {
	t.Parallel()
	walk(t, "", readYAML(t, "charts", "myelin", "values.schema.json"), readYAML(t, "charts", "myelin", "values.yaml"))
}

func TestBadValuesAreRefusedByName(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ setting, refusal string }{
		"a mistyped name":              {"image.tagg=1", "'/image': additional properties 'tagg' not allowed"},
		"text for a number":            {"replicas=two", "'/replicas': got string, want integer"},
		"too many":                     {"replicas=6", "'/replicas': maximum: got 6, want 5"},
		"a number for text":            {"image.tag=1", "'/image/tag': got number, want string"},
		"a digest that is none":        {"image.digest=latest", "'/image/digest'"},
		"an unknown level":             {"log.level=loud", "'/log/level': value must be one of 'debug', 'info', 'warn', 'error'"},
		"no port":                      {"networkPolicy.apiServerPorts={70000}", "'/networkPolicy/apiServerPorts/0': maximum"},
		"a namespace that is no name":  {"namespaces={A_b}", "'/namespaces/0'"},
		"an amount that is none":       {"resources.limits.memory=much", "'/resources/limits/memory'"},
		"an interval without unit":     {"monitoring.interval=x", "'/monitoring/interval'"},
		"an adapter for a namespace":   {"clusterWide=false,metricsAdapter.enabled=true", "metricsAdapter: it answers for the whole cluster"},
		"certificates without TLS":     {"metricsAdapter.keda.clientCertificates=true", "metricsAdapter.keda.clientCertificates: clients are only known by TLS"},
		"no namespace of KEDA":         {"metricsAdapter.keda.namespace=A_b", "'/metricsAdapter/keda/namespace'"},
		"namespaces, yet cluster-wide": {"namespaces={a}", "namespaces: set clusterWide to false to work only in these, or leave them out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := template(t, "myelin", test.setting)
			var failure bytes.Buffer
			cmd.Stderr = &failure
			require.Error(t, cmd.Run())
			require.Contains(t, failure.String(), test.refusal)
		})
	}
}

// Helm's own checks of a chart.
func TestChartIsSound(t *testing.T) {
	t.Parallel()
	run(t, helmCommand(t, "lint", "--strict", filepath.Join(root, "charts", "myelin")))
}
