package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// schema is the part of an OpenAPI schema that this test looks at.
type schema struct {
	Type                 string            `json:"type"`
	Description          string            `json:"description"`
	Format               string            `json:"format"`
	Enum                 []any             `json:"enum"`
	MaxLength            *int              `json:"maxLength"`
	MaxItems             *int              `json:"maxItems"`
	MaxProperties        *int              `json:"maxProperties"`
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	IntOrString          bool              `json:"x-kubernetes-int-or-string"`
	ListType             string            `json:"x-kubernetes-list-type"`
}

type definition struct {
	Spec struct {
		Names struct {
			Kind       string   `json:"kind"`
			ShortNames []string `json:"shortNames"`
			Categories []string `json:"categories"`
		} `json:"names"`
		Versions []struct {
			Schema struct {
				OpenAPIV3Schema schema `json:"openAPIV3Schema"`
			} `json:"schema"`
			Columns []struct {
				Name     string `json:"name"`
				Priority int    `json:"priority"`
			} `json:"additionalPrinterColumns"`
			Subresources struct {
				Scale map[string]string `json:"scale"`
			} `json:"subresources"`
		} `json:"versions"`
	} `json:"spec"`
}

func definitions(t *testing.T) map[string]definition {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "crd", "bases", "*.yaml"))
	require.NoError(t, err)
	found := map[string]definition{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var d definition
		require.NoError(t, yaml.Unmarshal(text, &d))
		found[d.Spec.Names.Kind] = d
	}
	require.Len(t, found, 3)
	return found
}

// kubectl explain has a sentence for each field, and nothing that is stored can grow without bound.
func TestEveryFieldIsDocumentedAndBounded(t *testing.T) {
	t.Parallel()
	for kind, d := range definitions(t) {
		root := d.Spec.Versions[0].Schema.OpenAPIV3Schema
		for _, part := range []string{"spec", "status"} {
			check(t, kind+"."+part, root.Properties[part])
		}
	}
}

func check(t *testing.T, path string, s schema) {
	t.Helper()
	if !strings.HasSuffix(strings.TrimSpace(s.Description), ".") && !strings.Contains(path, ".conditions[]") {
		t.Errorf("%s: the description %q is no sentence", path, s.Description)
	}
	switch {
	case s.Type == "string" && s.MaxLength == nil && s.Enum == nil && s.Format == "":
		t.Errorf("%s: a string needs maxLength, an enum or a format", path)
	case s.Type == "array" && (s.MaxItems == nil || s.ListType == ""):
		t.Errorf("%s: a list needs maxItems and listType", path)
	case s.Type == "object" && s.AdditionalProperties != nil && (s.MaxProperties == nil || s.AdditionalProperties.MaxLength == nil):
		t.Errorf("%s: a map needs maxProperties, and its values maxLength", path)
	case s.Type == "number":
		t.Errorf("%s: no floats", path)
	}
	for name, p := range s.Properties {
		check(t, path+"."+name, p)
	}
	if s.Items != nil && s.Items.Type == "object" {
		check(t, path+"[]", *s.Items)
	}
}

// kubectl get answers the first question: is it ready, how many of how many, whose is it, how old is it.
func TestColumns(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]struct{ short, columns string }{
		"Homeserver":          {"hs", "Server Ready Reason Workers Shards Age"},
		"WorkerPool":          {"wp", "Homeserver Roles Ready Desired Pods Available Lag Reason Age"},
		"EventPersisterShard": {"eps", "Homeserver Shard Ready Owner Epoch Reason Age"},
	} {
		d := definitions(t)[kind].Spec
		var columns []string
		for _, c := range d.Versions[0].Columns {
			if c.Priority == 0 {
				columns = append(columns, c.Name)
			}
		}
		require.Equal(t, want.columns, strings.Join(columns, " "), kind)
		require.Equal(t, []string{want.short}, d.Names.ShortNames)
		require.Contains(t, d.Names.Categories, "myelin")
	}
	require.Equal(t, map[string]string{
		"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.observedReplicas", "labelSelectorPath": ".status.selector",
	}, definitions(t)["WorkerPool"].Spec.Versions[0].Subresources.Scale)
}
