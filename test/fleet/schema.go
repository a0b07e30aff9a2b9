package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

// Schema says what a resource's spec may look like. It is read from the CRD, so that a new field is tried without more ado.
type Schema struct {
	spec field
	seen map[string]int // by path of a field: how often a value for it was accepted
}

// field is what matters here of an OpenAPI schema.
type field struct {
	Type                 string           `json:"type"`
	Enum                 []any            `json:"enum"`
	Required             []string         `json:"required"`
	Properties           map[string]field `json:"properties"`
	Items                *field           `json:"items"`
	AdditionalProperties *field           `json:"additionalProperties"`
	Minimum              *int64           `json:"minimum"`
	Maximum              *int64           `json:"maximum"`
	IntOrString          bool             `json:"x-kubernetes-int-or-string"`
}

// ReadSchema reads the CRD of the given plural name below root.
func ReadSchema(root, plural string) (*Schema, error) {
	text, err := os.ReadFile(filepath.Join(root, "config", "crd", "bases", "myelin.dev_"+plural+".yaml"))
	if err != nil {
		return nil, err
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema field `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, fmt.Errorf("read the CRD of %s: %w", plural, err)
	}
	spec, ok := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if !ok {
		return nil, fmt.Errorf("the CRD of %s has no spec", plural)
	}
	return &Schema{spec: spec, seen: map[string]int{}}, nil
}

// Mutate changes one field, at any depth, of a spec: sets it, to something that may be nonsense, or removes it. It returns
// the field's path. Whether the outcome is valid is for the API server to say.
func (s *Schema) Mutate(r *rand.Rand, spec map[string]any) string {
	path, schema, at := "", &s.spec, spec
	for {
		name := pick(r, sorted(schema.Properties))
		next := schema.Properties[name]
		path += "." + name
		inner, there := at[name].(map[string]any)
		if there && len(next.Properties) > 0 && r.IntN(4) > 0 {
			schema, at = &next, inner
			continue
		}
		if _, set := at[name]; set && r.IntN(4) == 0 {
			delete(at, name)
		} else {
			at[name] = value(r, &next)
		}
		return path
	}
}

// value makes up a value: an object has what it must have, the rest comes by later mutations.
func value(r *rand.Rand, s *field) any {
	if len(s.Enum) > 0 {
		return pick(r, s.Enum)
	}
	if s.IntOrString {
		return pick(r, []any{"0", "1", "50m", "64Mi", "1.5", "1e3", "2Gi", "-1", int64(3)})
	}
	switch s.Type {
	case "boolean":
		return r.IntN(2) == 0
	case "integer":
		return number(r, s)
	case "array":
		list := []any{}
		for range r.IntN(4) {
			list = append(list, value(r, s.Items))
		}
		return list
	case "object":
		return object(r, s)
	default:
		return pick(r, words)
	}
}

func object(r *rand.Rand, s *field) map[string]any {
	o := map[string]any{}
	for _, name := range sorted(s.Properties) {
		if p := s.Properties[name]; slices.Contains(s.Required, name) || r.IntN(4) == 0 {
			o[name] = value(r, &p)
		}
	}
	if s.AdditionalProperties != nil {
		for range r.IntN(3) {
			o[pick(r, words)] = value(r, s.AdditionalProperties)
		}
	}
	return o
}

// number is at an end of the range, one beyond, or between.
func number(r *rand.Rand, s *field) int64 {
	low, high := int64(0), int64(1000)
	if s.Minimum != nil {
		low = *s.Minimum
	}
	if s.Maximum != nil {
		high = *s.Maximum
	}
	return pick(r, []int64{low, low + 1, high, high + 1, low + r.Int64N(high-low+1)})
}
