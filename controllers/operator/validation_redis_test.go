package operator_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// example is an object that is accepted, or refused with an error that has all of these texts.
type example struct {
	base, change string
	refusal      []string
}

// judge has the API server judge examples.
func judge(t *testing.T, examples map[string]example) {
	s := newSpace(t)
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := object(t, e.base, e.change)
			o.SetNamespace(s.name)
			err := cluster.Create(t.Context(), o, client.DryRunAll)
			if len(e.refusal) == 0 {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, part := range e.refusal {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

// redisChange puts Redis's parts, with a change, in the place of its URI.
func redisChange(change string) string {
	parts, c := map[string]any{"hosts": []any{"redis.example:6379"}}, map[string]any{}
	if err := yaml.Unmarshal([]byte(change), &c); err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]any{"spec": map[string]any{"redis": map[string]any{"secretRef": nil, "parts": mergePatch(parts, c)}}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestValidationOfRedis(t *testing.T) {
	t.Parallel()
	accepted := func(change string) example { return example{base: homeserverYAML, change: redisChange(change)} }
	refused := func(change string, texts ...string) example {
		return example{base: homeserverYAML, change: redisChange(change), refusal: texts}
	}
	var many []string
	for i := range 17 {
		many = append(many, `"h`+strings.Repeat("i", i)+`:1"`)
	}
	judge(t, map[string]example{
		"parts":          accepted(`{}`),
		"password":       accepted(`{username: me, passwordSecretRef: {name: a, key: b}, tls: verify-full, database: 3}`),
		"sentinel":       accepted(`{mode: sentinel, masterName: mymaster, hosts: ["a:1", "[::1]:2"], sentinelPasswordSecretRef: {name: a, key: b}}`),
		"cluster":        accepted(`{mode: cluster, hosts: ["a:1", "b:2"]}`),
		"uri with ca":    {base: homeserverYAML, change: `{spec: {redis: {caSecretRef: {name: a, key: b}}}}`},
		"ca":             {base: homeserverYAML, change: `{spec: {redis: {secretRef: null, parts: {hosts: ["a:1"], tls: verify-full}, caSecretRef: {name: a, key: b}}}}`},
		"ca no tls":      {base: homeserverYAML, change: `{spec: {redis: {secretRef: null, parts: {hosts: ["a:1"]}, caSecretRef: {name: a, key: b}}}}`, refusal: []string{"spec.redis", "tls is verify-full"}},
		"ca map":         {base: homeserverYAML, change: `{spec: {redis: {caConfigMapRef: {name: a, key: b}}}}`},
		"ca map, no tls": {base: homeserverYAML, change: `{spec: {redis: {secretRef: null, parts: {hosts: ["a:1"]}, caConfigMapRef: {name: a, key: b}}}}`, refusal: []string{"spec.redis", "tls is verify-full"}},
		"ca twice": {base: homeserverYAML, change: `{spec: {redis: {caSecretRef: {name: a, key: b}, caConfigMapRef: {name: a, key: b}}}}`,
			refusal: []string{"spec.redis", "at most one of caSecretRef and caConfigMapRef"}},
		"neither":      {base: homeserverYAML, change: `{spec: {redis: {secretRef: null}}}`, refusal: []string{"spec.redis", "either secretRef"}},
		"both":         {base: homeserverYAML, change: `{spec: {redis: {parts: {hosts: ["a:1"]}}}}`, refusal: []string{"spec.redis", "either secretRef"}},
		"no host":      refused(`{hosts: []}`, "spec.redis.parts.hosts", "at least 1"),
		"hosts none":   refused(`{hosts: null}`, "spec.redis.parts.hosts", "Required"),
		"hosts many":   refused(`{mode: cluster, hosts: [`+strings.Join(many, ",")+`]}`, "spec.redis.parts.hosts", "at most 16"),
		"host twice":   refused(`{mode: cluster, hosts: ["a:1", "a:1"]}`, "spec.redis.parts.hosts[1]", "Duplicate"),
		"two servers":  refused(`{hosts: ["a:1", "b:2"]}`, "spec.redis.parts", "hosts must be one"),
		"no port":      refused(`{hosts: [redis]}`, "spec.redis.parts.hosts[0]", "host:port"),
		"port":         refused(`{hosts: ["a:65536"]}`, "spec.redis.parts.hosts[0]", "host:port"),
		"a uri":        refused(`{hosts: ["redis://a:1"]}`, "spec.redis.parts.hosts[0]", "host:port"),
		"host long":    refused(`{hosts: ["`+strings.Repeat("a", 259)+`:1"]}`, "spec.redis.parts.hosts[0]", "260"),
		"mode":         refused(`{mode: ring}`, "spec.redis.parts.mode", "ring"),
		"tls":          refused(`{tls: maybe}`, "spec.redis.parts.tls", "maybe"),
		"no master":    refused(`{mode: sentinel}`, "spec.redis.parts", "masterName is required"),
		"master":       refused(`{masterName: a}`, "spec.redis.parts", "masterName is required when mode is sentinel, and used for nothing else"),
		"master name":  refused(`{mode: sentinel, masterName: "a b"}`, "spec.redis.parts.masterName", "only letters"),
		"sentinels":    refused(`{sentinelPasswordSecretRef: {name: a, key: b}}`, "spec.redis.parts", "only used when mode is sentinel"),
		"database":     refused(`{database: -1}`, "spec.redis.parts.database", "greater than or equal to 0"),
		"databases":    refused(`{database: 65536}`, "spec.redis.parts.database", "less than or equal to 65535"),
		"cluster's db": refused(`{mode: cluster, database: 1}`, "spec.redis.parts", "database must be 0"),
		"no password":  refused(`{username: me}`, "spec.redis.parts", "passwordSecretRef is required"),
		"user long":    refused(`{username: "`+strings.Repeat("u", 129)+`", passwordSecretRef: {name: a, key: b}}`, "spec.redis.parts.username", "128"),
	})
}

func TestDefaultsOfRedis(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(object(t, homeserverYAML, redisChange(`{}`)))
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	require.Equal(t, v1alpha1.RedisParts{
		Mode: v1alpha1.RedisStandalone, Hosts: []v1alpha1.RedisHost{"redis.example:6379"}, TLS: v1alpha1.RedisTLSDisable,
	}, *hs.Spec.Redis.Parts)
}
