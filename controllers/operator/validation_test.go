package operator_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/operator"
)

const (
	homeserverYAML = `
apiVersion: myelin.dev/v1alpha1
kind: Homeserver
metadata: {name: demo}
spec:
  serverName: example.org
  postgres: {secretRef: {name: db}}
  redis: {secretRef: {name: cache}}
`
	poolYAML = `
apiVersion: myelin.dev/v1alpha1
kind: WorkerPool
metadata: {name: demo-persister}
spec:
  homeserverRef: {name: demo}
  roles: [persister]
`
	shardYAML = `
apiVersion: myelin.dev/v1alpha1
kind: EventPersisterShard
metadata: {name: demo-07}
spec: {homeserverRef: {name: demo}, shard: 7}
`
)

// object parses yaml and merges changes into it; a change is a JSON merge patch.
func object(t *testing.T, text, change string) *unstructured.Unstructured {
	t.Helper()
	var o, c map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &o))
	require.NoError(t, yaml.Unmarshal([]byte(change), &c))
	return &unstructured.Unstructured{Object: mergePatch(o, c)}
}

func mergePatch(o, change map[string]any) map[string]any {
	if o == nil {
		o = map[string]any{}
	}
	for k, v := range change {
		switch v := v.(type) {
		case nil:
			delete(o, k)
		case map[string]any:
			inner, _ := o[k].(map[string]any)
			o[k] = mergePatch(inner, v)
		default:
			o[k] = v
		}
	}
	return o
}

// partsChange puts the database's parts, with a change, in the place of its URI.
func partsChange(change string) string {
	var parts, c map[string]any
	for text, into := range map[string]*map[string]any{
		`{host: db.example, database: myelin, credentialsSecretRef: {name: login}}`: &parts, change: &c,
	} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			panic(err)
		}
	}
	text, err := json.Marshal(map[string]any{"spec": map[string]any{"postgres": map[string]any{"secretRef": nil, "parts": mergePatch(parts, c)}}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Each rule has an example that it accepts and one that it refuses, with a sentence that names the field.
func TestValidationOfNewObjects(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for name, test := range map[string]struct {
		base, change string
		refusal      []string // all are in the error; none: accepted
	}{
		"hs least":                      {base: homeserverYAML},
		"hs server name port":           {base: homeserverYAML, change: `{spec: {serverName: "matrix.example.org:8448"}}`},
		"hs server name ipv6":           {base: homeserverYAML, change: `{spec: {serverName: "[2001:db8::1]:8448"}}`},
		"hs server name scheme":         {base: homeserverYAML, change: `{spec: {serverName: "https://example.org"}}`, refusal: []string{"spec.serverName", "must be a DNS name"}},
		"hs server name spaces":         {base: homeserverYAML, change: `{spec: {serverName: "a b"}}`, refusal: []string{"spec.serverName", "must be a DNS name"}},
		"hs server name none":           {base: homeserverYAML, change: `{spec: {serverName: null}}`, refusal: []string{"spec.serverName", "Required"}},
		"hs server name long":           {base: homeserverYAML, change: `{spec: {serverName: "` + strings.Repeat("a", 231) + `"}}`, refusal: []string{"spec.serverName", "230"}},
		"hs server name port no number": {base: homeserverYAML, change: `{spec: {serverName: "example.org:65536"}}`, refusal: []string{"spec.serverName", "port"}},
		"hs image blank":                {base: homeserverYAML, change: `{spec: {image: "a b"}}`, refusal: []string{"spec.image", "without blanks"}},
		"hs no database":                {base: homeserverYAML, change: `{spec: {postgres: null}}`, refusal: []string{"spec.postgres", "Required"}},
		"hs image digest":               {base: homeserverYAML, change: `{spec: {image: "registry.example:5000/myelin:1@sha256:` + strings.Repeat("0a", 32) + `"}}`},
		"hs image digest short": {base: homeserverYAML, change: `{spec: {image: "registry.example/myelin@sha256:0a"}}`,
			refusal: []string{"spec.image", "64 hex digits"}},
		"hs image long":             {base: homeserverYAML, change: `{spec: {image: "` + strings.Repeat("a", 513) + `"}}`, refusal: []string{"spec.image", "512"}},
		"hs image empty":            {base: homeserverYAML, change: `{spec: {image: ""}}`, refusal: []string{"spec.image", "at least 1"}},
		"hs network policy":         {base: homeserverYAML, change: `{spec: {networkPolicy: Ingress}}`},
		"hs network policy unknown": {base: homeserverYAML, change: `{spec: {networkPolicy: Egress}}`, refusal: []string{"spec.networkPolicy", "Ingress"}},
		"hs pull secrets":           {base: homeserverYAML, change: `{spec: {imagePullSecrets: [{name: a}, {name: b}]}}`},
		"hs pull secret twice": {base: homeserverYAML, change: `{spec: {imagePullSecrets: [{name: a}, {name: a}]}}`,
			refusal: []string{"spec.imagePullSecrets[1]", "Duplicate"}},
		"hs pull secret without name": {base: homeserverYAML, change: `{spec: {imagePullSecrets: [{name: ""}]}}`,
			refusal: []string{"spec.imagePullSecrets[0].name", "at least 1"}},
		"hs secret's name with dots": {base: homeserverYAML, change: `{spec: {redis: {secretRef: {name: my.cache-1, key: Redis_URI.v2}}}}`},
		"hs secret's name no name": {base: homeserverYAML, change: `{spec: {redis: {secretRef: {name: "a/b"}}}}`,
			refusal: []string{"spec.redis.secretRef.name", "must be an object's name"}},
		"hs secret's key no key": {base: homeserverYAML, change: `{spec: {redis: {secretRef: {name: a, key: "b c"}}}}`,
			refusal: []string{"spec.redis.secretRef.key", "must be a Secret's key"}},
		"hs user's key no key": {base: homeserverYAML, change: partsChange(`{credentialsSecretRef: {usernameKey: "a/b"}}`),
			refusal: []string{"credentialsSecretRef.usernameKey", "must be a Secret's key"}},

		"hs database parts": {base: homeserverYAML, change: partsChange(`{}`)},
		"hs database all parts": {base: homeserverYAML,
			change: partsChange(`{port: 6432, sslMode: verify-full, credentialsSecretRef: {name: login, usernameKey: user, passwordKey: pass}}`)},
		"hs database uri and parts": {base: homeserverYAML, change: `{spec: {postgres: {parts: {host: h, database: d, credentialsSecretRef: {name: s}}}}}`,
			refusal: []string{"spec.postgres", "either secretRef"}},
		"hs database neither": {base: homeserverYAML, change: `{spec: {postgres: {secretRef: null, caSecretRef: {name: a, key: b}}}}`,
			refusal: []string{"spec.postgres", "either secretRef"}},
		"hs database ca":            {base: homeserverYAML, change: `{spec: {postgres: {caSecretRef: {name: db-ca, key: ca.crt}}}}`},
		"hs database ca config map": {base: homeserverYAML, change: `{spec: {postgres: {caConfigMapRef: {name: bundle, key: ca.crt}}}}`},
		"hs database ca twice": {base: homeserverYAML, change: `{spec: {postgres: {caSecretRef: {name: a, key: b}, caConfigMapRef: {name: a, key: b}}}}`,
			refusal: []string{"spec.postgres", "at most one of caSecretRef and caConfigMapRef"}},
		"hs database ca no key":   {base: homeserverYAML, change: `{spec: {postgres: {caSecretRef: {name: db-ca}}}}`, refusal: []string{"spec.postgres.caSecretRef.key", "Required"}},
		"hs database no host":     {base: homeserverYAML, change: partsChange(`{host: null}`), refusal: []string{"spec.postgres.parts.host", "Required"}},
		"hs database hosts":       {base: homeserverYAML, change: partsChange(`{host: "a,b"}`), refusal: []string{"spec.postgres.parts.host", "one DNS name"}},
		"hs database host ip":     {base: homeserverYAML, change: partsChange(`{host: "2001:db8::1"}`)},
		"hs database host dot":    {base: homeserverYAML, change: partsChange(`{host: "db-rw.postgres.svc.cluster.local."}`)},
		"hs database host port":   {base: homeserverYAML, change: partsChange(`{host: "db:5432"}`), refusal: []string{"spec.postgres.parts.host", "without a port"}},
		"hs database host user":   {base: homeserverYAML, change: partsChange(`{host: "me@db"}`), refusal: []string{"spec.postgres.parts.host", "one DNS name"}},
		"hs database host option": {base: homeserverYAML, change: partsChange(`{host: "db?sslmode=disable"}`), refusal: []string{"spec.postgres.parts.host", "one DNS name"}},
		"hs database host letter": {base: homeserverYAML, change: partsChange(`{host: "dätabase"}`), refusal: []string{"spec.postgres.parts.host", "one DNS name"}},
		"hs url query":            {base: homeserverYAML, change: `{spec: {publicBaseURL: "https://a.example/?x=1"}}`, refusal: []string{"spec.publicBaseURL", "no user, query"}},
		"hs url user":             {base: homeserverYAML, change: `{spec: {publicBaseURL: "https://me:pw@a.example"}}`, refusal: []string{"spec.publicBaseURL", "no user, query"}},
		"hs url fragment":         {base: homeserverYAML, change: `{spec: {publicBaseURL: "https://a.example/#/room"}}`, refusal: []string{"spec.publicBaseURL", "no user, query"}},
		"hs url path":             {base: homeserverYAML, change: `{spec: {publicBaseURL: "https://a.example/matrix"}}`},
		"hs database socket":      {base: homeserverYAML, change: partsChange(`{host: /run/postgresql}`), refusal: []string{"spec.postgres.parts", "share no socket"}},
		"hs database port 0":      {base: homeserverYAML, change: partsChange(`{port: 0}`), refusal: []string{"spec.postgres.parts.port", "greater than or equal to 1"}},
		"hs database port 65536":  {base: homeserverYAML, change: partsChange(`{port: 65536}`), refusal: []string{"spec.postgres.parts.port", "less than or equal to 65535"}},
		"hs database no name":     {base: homeserverYAML, change: partsChange(`{database: null}`), refusal: []string{"spec.postgres.parts.database", "Required"}},
		"hs database name long":   {base: homeserverYAML, change: partsChange(`{database: ` + strings.Repeat("d", 64) + `}`), refusal: []string{"spec.postgres.parts.database", "63"}},
		"hs database ssl mode":    {base: homeserverYAML, change: partsChange(`{sslMode: prefer}`), refusal: []string{"spec.postgres.parts.sslMode", "prefer"}},
		"hs database nobody":      {base: homeserverYAML, change: partsChange(`{credentialsSecretRef: null}`), refusal: []string{"spec.postgres.parts.credentialsSecretRef", "Required"}},
		"hs migration":            {base: homeserverYAML, change: `{spec: {migration: {tolerations: [{operator: Exists}], nodeSelector: {a: b}, resources: {limits: {memory: 1Gi}}}}}`},
		"hs migration toleration": {base: homeserverYAML, change: `{spec: {migration: {tolerations: [{}]}}}`, refusal: []string{"spec.migration.tolerations[0]", "must be Exists"}},

		"hs no redis": {base: homeserverYAML, change: `{spec: {redis: null}}`, refusal: []string{"spec.redis", "Required"}},
		"hs secret without name": {base: homeserverYAML, change: `{spec: {postgres: {secretRef: {name: null}}}}`,
			refusal: []string{"spec.postgres.secretRef.name", "Required"}},
		"hs longest name": {base: homeserverYAML, change: `{metadata: {name: "` + strings.Repeat("a", 38) + `"}}`},
		"hs name long":    {base: homeserverYAML, change: `{metadata: {name: "` + strings.Repeat("a", 39) + `"}}`, refusal: []string{"metadata.name", "at most 38"}},
		"hs name dots":    {base: homeserverYAML, change: `{metadata: {name: "a.b"}}`, refusal: []string{"metadata.name", "start with a letter"}},
		"hs name digit":   {base: homeserverYAML, change: `{metadata: {name: "1a"}}`, refusal: []string{"metadata.name", "start with a letter"}},
		"hs base url":     {base: homeserverYAML, change: `{spec: {publicBaseURL: "https://matrix.example.org"}}`},
		"hs base url ftp": {base: homeserverYAML, change: `{spec: {publicBaseURL: "ftp://example.org"}}`, refusal: []string{"spec.publicBaseURL", "http or https"}},
		"hs base url bad": {base: homeserverYAML, change: `{spec: {publicBaseURL: "matrix"}}`, refusal: []string{"spec.publicBaseURL", "http or https"}},
		"hs registration token": {base: homeserverYAML,
			change: `{spec: {registration: {mode: token, tokenSecretRef: {name: s, key: token}}}}`},
		"hs registration no token": {base: homeserverYAML, change: `{spec: {registration: {mode: token}}}`,
			refusal: []string{"spec.registration", "registration.tokenSecretRef is required"}},
		"hs registration useless token": {base: homeserverYAML,
			change:  `{spec: {registration: {mode: open, tokenSecretRef: {name: s, key: token}}}}`,
			refusal: []string{"spec.registration", "only used when registration.mode is token"}},
		"hs registration mode": {base: homeserverYAML, change: `{spec: {registration: {mode: maybe}}}`, refusal: []string{"spec.registration.mode", "closed"}},
		"hs shards 1":          {base: homeserverYAML, change: `{spec: {shards: 1}}`},
		"hs shards 0":          {base: homeserverYAML, change: `{spec: {shards: 0}}`, refusal: []string{"spec.shards", "greater than or equal to 1"}},
		"hs shards 101":        {base: homeserverYAML, change: `{spec: {shards: 101}}`, refusal: []string{"spec.shards", "less than or equal to 100"}},

		"wp least":        {base: poolYAML},
		"wp zero":         {base: poolYAML, change: `{spec: {replicas: 0}}`},
		"wp negative":     {base: poolYAML, change: `{spec: {replicas: -1}}`, refusal: []string{"spec.replicas", "greater than or equal to 0"}},
		"wp too many":     {base: poolYAML, change: `{spec: {replicas: 301}}`, refusal: []string{"spec.replicas", "less than or equal to 300"}},
		"wp no role":      {base: poolYAML, change: `{spec: {roles: []}}`, refusal: []string{"spec.roles", "at least 1"}},
		"wp role unknown": {base: poolYAML, change: `{spec: {roles: [cook]}}`, refusal: []string{"spec.roles[0]", "cook"}},
		"wp role twice":   {base: poolYAML, change: `{spec: {roles: [sync, sync]}}`, refusal: []string{"spec.roles[1]", "Duplicate"}},
		"wp no reference": {base: poolYAML, change: `{spec: {homeserverRef: null}}`, refusal: []string{"spec.homeserverRef", "Required"}},
		"wp name long":    {base: poolYAML, change: `{metadata: {name: "` + strings.Repeat("a", 53) + `"}}`, refusal: []string{"metadata.name", "at most 52"}},
		"wp resources":    {base: poolYAML, change: `{spec: {resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: "2", memory: 1Gi}}}}`},
		"wp request over memory limit": {base: poolYAML, change: `{spec: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}}`,
			refusal: []string{"spec.resources", "resources.requests.memory must not be greater"}},
		"wp request over cpu limit": {base: poolYAML, change: `{spec: {resources: {requests: {cpu: 2}, limits: {cpu: 1500m}}}}`,
			refusal: []string{"spec.resources", "resources.requests.cpu must not be greater"}},
		"wp memory too little": {base: poolYAML, change: `{spec: {resources: {requests: null, limits: {memory: 1Mi}}}}`,
			refusal: []string{"spec.resources.limits", "at least 16Mi"}},
		"wp cpu negative": {base: poolYAML, change: `{spec: {resources: {limits: {cpu: -1}}}}`, refusal: []string{"spec.resources.limits", "cpu must not be negative"}},
		"wp log level":    {base: poolYAML, change: `{spec: {logLevel: loud}}`, refusal: []string{"spec.logLevel", "loud"}},
		"wp connections":  {base: poolYAML, change: `{spec: {maxConnections: 1}}`, refusal: []string{"spec.maxConnections", "greater than or equal to 2"}},

		"wp connections most": {base: poolYAML, change: `{spec: {maxConnections: 501}}`, refusal: []string{"spec.maxConnections", "less than or equal to 500"}},
		"wp env":              {base: poolYAML, change: `{spec: {env: [{name: HTTPS_PROXY, value: "http://proxy.example:3128"}, {name: EMPTY}]}}`},
		"wp env twice":        {base: poolYAML, change: `{spec: {env: [{name: A}, {name: A}]}}`, refusal: []string{"spec.env[1]", "Duplicate"}},
		"wp env name":         {base: poolYAML, change: `{spec: {env: [{name: "A B"}]}}`, refusal: []string{"spec.env[0].name", "should match"}},
		"wp env setting":      {base: poolYAML, change: `{spec: {env: [{name: MYELIN_ROLES, value: all}]}}`, refusal: []string{"spec.env[0]", "the operator sets them"}},
		"wp env database":     {base: poolYAML, change: `{spec: {env: [{name: PGHOST, value: other}]}}`, refusal: []string{"spec.env[0]", "the operator sets them"}},
		"wp env memory":       {base: poolYAML, change: `{spec: {env: [{name: GOMEMLIMIT, value: "1"}]}}`, refusal: []string{"spec.env[0]", "the operator sets them"}},
		"wp env long":         {base: poolYAML, change: `{spec: {env: [{name: A, value: "` + strings.Repeat("v", 4097) + `"}]}}`, refusal: []string{"spec.env[0].value", "4096"}},
		"wp node selector":    {base: poolYAML, change: `{spec: {nodeSelector: {disk: "` + strings.Repeat("v", 64) + `"}}}`, refusal: []string{"spec.nodeSelector.disk", "63"}},
		"wp tolerations": {base: poolYAML,
			change: `{spec: {tolerations: [{operator: Exists}, {key: a, value: b}, {key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]}}`},
		"wp toleration operator": {base: poolYAML, change: `{spec: {tolerations: [{key: a, operator: Like}]}}`, refusal: []string{"spec.tolerations[0].operator", "Like"}},
		"wp toleration value": {base: poolYAML, change: `{spec: {tolerations: [{key: a, operator: Exists, value: b}]}}`,
			refusal: []string{"spec.tolerations[0]", "value must be left out"}},
		"wp toleration key": {base: poolYAML, change: `{spec: {tolerations: [{value: b}]}}`, refusal: []string{"spec.tolerations[0]", "must be Exists when key is left out"}},
		"wp toleration seconds": {base: poolYAML, change: `{spec: {tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 1}]}}`,
			refusal: []string{"spec.tolerations[0]", "only used when effect is NoExecute"}},
		"wp toleration effect":        {base: poolYAML, change: `{spec: {tolerations: [{key: a, effect: Never}]}}`, refusal: []string{"spec.tolerations[0].effect", "Never"}},
		"wp taint with a domain":      {base: poolYAML, change: `{spec: {tolerations: [{key: node.example.org/dedicated, value: matrix_1.x}]}}`},
		"wp toleration key strange":   {base: poolYAML, change: `{spec: {tolerations: [{key: "db:5432"}]}}`, refusal: []string{"spec.tolerations[0].key", "must be a taint's"}},
		"wp toleration value strange": {base: poolYAML, change: `{spec: {tolerations: [{key: a, value: "b/c"}]}}`, refusal: []string{"spec.tolerations[0].value", "must be a taint's"}},
		"wp node selector value":      {base: poolYAML, change: `{spec: {nodeSelector: {disk: "a b"}}}`, refusal: []string{"spec.nodeSelector", "must be a label's value"}},
		"wp node selector nothing":    {base: poolYAML, change: `{spec: {nodeSelector: {node-role.kubernetes.io/worker: ""}}}`},
		"wp spread key":               {base: poolYAML, change: `{spec: {topologySpread: [{topologyKey: "zone é"}]}}`, refusal: []string{"spec.topologySpread[0].topologyKey", "must be a label's key"}},
		"wp spread":                   {base: poolYAML, change: `{spec: {topologySpread: [{topologyKey: zone, maxSkew: 2, whenUnsatisfiable: DoNotSchedule}]}}`},
		"wp spread none":              {base: poolYAML, change: `{spec: {topologySpread: []}}`},
		"wp spread twice":             {base: poolYAML, change: `{spec: {topologySpread: [{topologyKey: zone}, {topologyKey: zone}]}}`, refusal: []string{"spec.topologySpread[1]", "Duplicate"}},
		"wp spread skew":              {base: poolYAML, change: `{spec: {topologySpread: [{topologyKey: zone, maxSkew: 0}]}}`, refusal: []string{"spec.topologySpread[0].maxSkew", "greater than or equal to 1"}},
		"wp spread else":              {base: poolYAML, change: `{spec: {topologySpread: [{topologyKey: zone, whenUnsatisfiable: Cry}]}}`, refusal: []string{"spec.topologySpread[0].whenUnsatisfiable", "Cry"}},

		"eps":            {base: shardYAML},
		"eps two digits": {base: shardYAML, change: `{metadata: {name: demo-63}, spec: {shard: 63}}`},
		"eps other name": {base: shardYAML, change: `{metadata: {name: demo-7}}`, refusal: []string{"metadata.name", "as in demo-07"}},
		"eps number":     {base: shardYAML, change: `{metadata: {name: demo-100}, spec: {shard: 100}}`, refusal: []string{"spec.shard", "less than or equal to 99"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := object(t, test.base, test.change)
			o.SetNamespace(s.name)
			err := cluster.Create(t.Context(), o, client.DryRunAll)
			if len(test.refusal) == 0 {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, part := range test.refusal {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestValidationOfChanges(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, text := range []string{homeserverYAML, poolYAML, shardYAML} {
		s.create(object(t, text, "{}"))
	}
	s.create(object(t, homeserverYAML, `{metadata: {name: keyed}, spec: {shards: 32, signingKeySecretRef: {name: a, key: b}}}`))
	const keyedYAML = "{apiVersion: myelin.dev/v1alpha1, kind: Homeserver, metadata: {name: keyed}}"
	for name, test := range map[string]struct {
		base, change string
		refusal      []string
	}{
		"image":               {base: homeserverYAML, change: `{spec: {image: "registry.example/myelin:2"}}`},
		"server name":         {base: homeserverYAML, change: `{spec: {serverName: example.com}}`, refusal: []string{"spec.serverName", "cannot be changed"}},
		"shards":              {base: homeserverYAML, change: `{spec: {shards: 32}}`, refusal: []string{"spec.shards", "cannot be changed"}},
		"server name removed": {base: homeserverYAML, change: `{spec: {serverName: null}}`, refusal: []string{"spec.serverName", "Required"}},
		"shards removed":      {base: keyedYAML, change: `{spec: {shards: null}}`, refusal: []string{"spec.shards", "cannot be changed"}},
		"signing key moved":   {base: keyedYAML, change: `{spec: {signingKeySecretRef: {name: other}}}`},
		"signing key removed": {base: keyedYAML, change: `{spec: {signingKeySecretRef: null}}`, refusal: []string{"spec", "signingKeySecretRef cannot be removed"}},
		"signing key named":   {base: homeserverYAML, change: `{spec: {signingKeySecretRef: {name: demo-signing-key, key: signing.key}}}`},
		"database by parts":   {base: homeserverYAML, change: partsChange(`{}`)},
		"shard's homeserver":  {base: shardYAML, change: `{spec: {homeserverRef: {name: other}}}`, refusal: []string{"spec", "cannot be changed"}},
		"database secret":     {base: homeserverYAML, change: `{spec: {postgres: {secretRef: {name: other}}}}`},
		"replicas":            {base: poolYAML, change: `{spec: {replicas: 5}}`},
		"roles":               {base: poolYAML, change: `{spec: {roles: [persister, sync]}}`},
		"homeserver":          {base: poolYAML, change: `{spec: {homeserverRef: {name: other}}}`, refusal: []string{"spec.homeserverRef", "cannot be changed"}},
		"shard":               {base: shardYAML, change: `{spec: {shard: 8}}`, refusal: []string{"spec", "cannot be changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patch, err := yaml.YAMLToJSON([]byte(test.change))
			require.NoError(t, err)
			o := object(t, test.base, "{}")
			o.SetNamespace(s.name)
			err = cluster.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json", patch), client.DryRunAll)
			if len(test.refusal) == 0 {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, part := range test.refusal {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(object(t, homeserverYAML, "{}"), object(t, poolYAML, "{}"))
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	require.Equal(t, "myelin.local/myelin:dev", hs.Spec.Image)
	require.Equal(t, int32(64), hs.Spec.Shards)
	require.Equal(t, "uri", hs.Spec.Postgres.SecretRef.Key)
	require.Equal(t, "uri", hs.Spec.Redis.SecretRef.Key)
	require.Equal(t, v1alpha1.RegistrationClosed, hs.Spec.Registration.Mode)
	var wp v1alpha1.WorkerPool
	s.get("demo-persister", &wp)
	require.Equal(t, int32(1), *wp.Spec.Replicas)
	require.Equal(t, "512Mi", wp.Spec.Resources.Limits.Memory.String())
	require.Equal(t, "info", wp.Spec.LogLevel)
	require.Equal(t, []v1alpha1.TopologySpread{{TopologyKey: "kubernetes.io/hostname", MaxSkew: 1, WhenUnsatisfiable: "ScheduleAnyway"}}, wp.Spec.TopologySpread)
	require.Equal(t, "256Mi", hs.Spec.Migration.Resources.Limits.Memory.String())

	s.create(object(t, homeserverYAML, `{metadata: {name: parts}, `+partsChange(`{}`)[1:]))
	s.get("parts", &hs)
	require.Nil(t, hs.Spec.Postgres.SecretRef)
	require.Equal(t, v1alpha1.PostgresParts{
		Host: "db.example", Port: 5432, Database: "myelin", SSLMode: v1alpha1.SSLRequire,
		CredentialsSecretRef: v1alpha1.CredentialsSecretRef{Name: "login", UsernameKey: "username", PasswordKey: "password"},
	}, *hs.Spec.Postgres.Parts)
}

func TestSampleIsAccepted(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", "classic.yaml"))
	require.NoError(t, err)
	kinds := map[string]int{}
	for part := range strings.SplitSeq(string(text), "\n---\n") {
		var o unstructured.Unstructured
		asJSON, err := yaml.YAMLToJSONStrict([]byte(part))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(asJSON, &o.Object))
		o.SetNamespace(s.name)
		require.NoError(t, client.WithFieldValidation(cluster, "Strict").Create(t.Context(), &o))
		kinds[o.GetKind()]++
	}
	require.Equal(t, map[string]int{"Role": 1, "RoleBinding": 1, "Homeserver": 1, "WorkerPool": 4}, kinds)
}

// The operator's own Deployment is valid, and its pods are admitted where Pod Security "restricted" is enforced.
func TestOperatorDeploymentIsAccepted(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "manager", "operator.yaml"))
	require.NoError(t, err)
	var d appsv1.Deployment
	require.NoError(t, yaml.UnmarshalStrict(text, &d))
	s.create(&d)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "operator"}, Spec: d.Spec.Template.Spec}
	s.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: d.Spec.Template.Spec.ServiceAccountName}}, pod)
	_, err = operator.Parse(d.Spec.Template.Spec.Containers[0].Args, io.Discard)
	require.NoError(t, err)
}
