package operator_test

import (
	"strings"
	"testing"
)

func TestValidationOfEnv(t *testing.T) {
	t.Parallel()
	with := func(env string, refusal ...string) example {
		return example{base: poolYAML, change: `{spec: {env: [` + env + `]}}`, refusal: refusal}
	}
	judge(t, map[string]example{
		"of a secret":       with(`{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}`),
		"of a config map":   with(`{name: A, valueFrom: {configMapKeyRef: {name: a, key: b}}}`),
		"both":              with(`{name: A, value: b, valueFrom: {secretKeyRef: {name: a, key: b}}}`, "spec.env[0]", "not both"),
		"of nothing":        with(`{name: A, valueFrom: {}}`, "spec.env[0].valueFrom", "either secretKeyRef"),
		"of two":            with(`{name: A, valueFrom: {secretKeyRef: {name: a, key: b}, configMapKeyRef: {name: a, key: b}}}`, "spec.env[0].valueFrom", "either secretKeyRef"),
		"no key":            with(`{name: A, valueFrom: {configMapKeyRef: {name: a}}}`, "spec.env[0].valueFrom.configMapKeyRef.key", "Required"),
		"name of no object": with(`{name: A, valueFrom: {configMapKeyRef: {name: A_b, key: b}}}`, "spec.env[0].valueFrom.configMapKeyRef.name", "object's name"),
		"name long":         with(`{name: A, valueFrom: {configMapKeyRef: {name: `+strings.Repeat("a", 254)+`, key: b}}}`, "spec.env[0].valueFrom.configMapKeyRef.name", "253"),
		"key":               with(`{name: A, valueFrom: {configMapKeyRef: {name: a, key: "b c"}}}`, "spec.env[0].valueFrom.configMapKeyRef.key", "ConfigMap's key"),
		"ours":              with(`{name: MYELIN_ROLES, valueFrom: {secretKeyRef: {name: a, key: b}}}`, "spec.env[0]", "the operator sets them"),
	})
}
