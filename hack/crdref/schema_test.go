package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestEveryFieldIsListedWithWhatIsDemanded(t *testing.T) {
	t.Parallel()
	var c crd
	require.NoError(t, yaml.Unmarshal([]byte(`
spec:
  group: a.dev
  scope: Namespaced
  names: {kind: Thing, plural: things, shortNames: [th]}
  versions:
  - name: v1
    subresources: {scale: {}, status: {}}
    additionalPrinterColumns:
    - {name: Age, jsonPath: .metadata.creationTimestamp, priority: 1}
    schema:
      openAPIV3Schema:
        description: Thing is one.
        properties:
          spec:
            required: [size]
            x-kubernetes-validations: [{rule: "true", message: size cannot be changed}]
            properties:
              size: {type: integer, minimum: 0, maximum: 9, default: 3, description: "size is\nhow many."}
              color: {type: string, default: red, enum: [red, blue], maxLength: 5, pattern: "^a|b$"}
              parts:
                type: array
                default: [{name: a}]
                minItems: 1
                items: {type: object, properties: {name: {type: string}}}
          status:
            properties:
              conditions: {type: array, items: {type: object, properties: {hidden: {type: string}}}}
`), &c))
	text := page([]crd{c})
	for _, line := range []string{
		"`apiVersion: a.dev/v1`, namespaced, `things` or `th`; it has the subresource `scale`.",
		"Rules: size cannot be changed.",
		"| `spec.size` | integer | size is how many. Required. Default `3`. 0 to 9. |",
		"| `spec.color` | string | Default `\"red\"`. One of `red`, `blue`. At most 5 characters. Must match `^a\\|b$`. |",
		"| `spec.parts` | list of object | Default `[{\"name\":\"a\"}]`. At least 1 items. |",
		"| `spec.parts[].name` | string |  |",
		"| Age | `.metadata.creationTimestamp` | with `-o wide` |",
	} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, "hidden")
}
