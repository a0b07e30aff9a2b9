package desired_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func homeserver() *v1alpha1.Homeserver {
	return &v1alpha1.Homeserver{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "demo"},
		Spec: v1alpha1.HomeserverSpec{
			ServerName: "example.org", Image: "registry.example/myelin:1", Shards: 64,
			Postgres:     v1alpha1.Postgres{SecretRef: &v1alpha1.URISecretRef{Name: "db", Key: "uri"}},
			Redis:        v1alpha1.Redis{SecretRef: &v1alpha1.URISecretRef{Name: "cache", Key: "url"}},
			Registration: v1alpha1.Registration{Mode: "closed"},
			Migration: v1alpha1.MigrationJob{Resources: v1alpha1.Resources{
				Requests: v1alpha1.ResourceAmounts{CPU: quantity("50m"), Memory: quantity("32Mi")},
				Limits:   v1alpha1.ResourceAmounts{Memory: quantity("256Mi")},
			}},
		},
	}
}

func quantity(text string) *resource.Quantity {
	q := resource.MustParse(text)
	return &q
}

func full() *v1alpha1.Homeserver {
	hs := homeserver()
	hs.Spec.Image = "registry.example/myelin@sha256:" + strings.Repeat("0", 64)
	hs.Spec.Postgres = v1alpha1.Postgres{
		Parts: &v1alpha1.PostgresParts{
			Host: "db.example", Port: 5433, Database: "a b", SSLMode: v1alpha1.SSLVerifyFull,
			CredentialsSecretRef: v1alpha1.CredentialsSecretRef{Name: "login", UsernameKey: "username", PasswordKey: "password"},
		},
		CASecretRef: &v1alpha1.SecretKeyRef{Name: "db-ca", Key: "ca.crt"},
	}
	hs.Spec.Redis = v1alpha1.Redis{
		Parts: &v1alpha1.RedisParts{
			Mode: v1alpha1.RedisSentinel, Hosts: []v1alpha1.RedisHost{"a.example:26379", "[2001:db8::1]:26379"}, MasterName: "cache",
			TLS: v1alpha1.RedisTLSVerifyFull, Database: 3, Username: "m y",
			PasswordSecretRef:         &v1alpha1.SecretKeyRef{Name: "cache", Key: "password"},
			SentinelPasswordSecretRef: &v1alpha1.SecretKeyRef{Name: "cache", Key: "sentinel"},
		},
		CASecretRef: &v1alpha1.SecretKeyRef{Name: "cache-ca", Key: "ca.crt"},
	}
	hs.Spec.Migration.NodeSelector = map[string]v1alpha1.LabelValue{"disk": "fast"}
	hs.Spec.Migration.Tolerations = []v1alpha1.Toleration{{Operator: "Exists"}}
	hs.Spec.ImagePullSecrets = []v1alpha1.LocalReference{{Name: "pull"}}
	hs.Spec.PublicBaseURL = "https://matrix.example.org"
	hs.Spec.InternalCredentialSecretRef = &v1alpha1.SecretKeyRef{Name: "mine", Key: "internal"}
	hs.Spec.SigningKeySecretRef = &v1alpha1.SecretKeyRef{Name: "mine", Key: "signing"}
	hs.Spec.Registration = v1alpha1.Registration{
		Mode:            "token",
		TokenSecretRef:  &v1alpha1.SecretKeyRef{Name: "mine", Key: "token"},
		SharedSecretRef: &v1alpha1.SecretKeyRef{Name: "mine", Key: "shared"},
	}
	hs.Status.Database = &v1alpha1.DatabaseStatus{ID: "db-1"}
	return hs
}

func pool(roles ...v1alpha1.Role) *v1alpha1.WorkerPool {
	two := int32(2)
	return &v1alpha1.WorkerPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "demo-workers"},
		Spec: v1alpha1.WorkerPoolSpec{
			HomeserverRef: v1alpha1.LocalReference{Name: "demo"}, Roles: roles, Replicas: &two, LogLevel: "info",
			Resources: v1alpha1.Resources{
				Requests: v1alpha1.ResourceAmounts{CPU: quantity("50m")}, Limits: v1alpha1.ResourceAmounts{Memory: quantity("512Mi")},
			},
			TopologySpread: []v1alpha1.TopologySpread{{TopologyKey: "kubernetes.io/hostname", MaxSkew: 1, WhenUnsatisfiable: "ScheduleAnyway"}},
		},
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	least, all := desired.HomeserverOf(homeserver()), desired.HomeserverOf(full())
	least.Inputs, all.Inputs = "0123456789", "0123456789"
	owner := desired.Owner{Kind: "Homeserver", Name: "demo", UID: "1-2-3"}
	poolOwner := desired.Owner{Kind: "WorkerPool", Name: "demo-workers", UID: "4-5-6"}
	much := pool("sync", "client")
	connections := int32(20)
	much.Spec.MaxConnections, much.Spec.NodeSelector = &connections, map[string]v1alpha1.LabelValue{"disk": "fast"}
	much.Spec.Env = []v1alpha1.EnvVar{
		{Name: "HTTPS_PROXY", Value: "http://proxy.example:3128"},
		{Name: "TOKEN", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "tokens", Key: "one"}}},
		{Name: "REGION", ValueFrom: &v1alpha1.EnvVarSource{ConfigMapKeyRef: &v1alpha1.ConfigMapKeyRef{Name: "place", Key: "region"}}},
	}
	minute := int64(60)
	much.Spec.Tolerations = []v1alpha1.Toleration{{Key: "dedicated", Operator: "Equal", Value: "chat", Effect: "NoExecute", TolerationSeconds: &minute}}
	much.Spec.TopologySpread = append(much.Spec.TopologySpread,
		v1alpha1.TopologySpread{TopologyKey: "topology.kubernetes.io/zone", MaxSkew: 2, WhenUnsatisfiable: "DoNotSchedule"})
	random := bytes.Repeat([]byte{7}, desired.SigningSeedLength)

	fewest, most, target, cpu, window := int32(1), int32(8), int32(500), int32(80), int32(30)
	scaled, scaledMuch := pool("persister"), pool("persister")
	scaled.Spec.Autoscaling = &v1alpha1.Autoscaling{MinReplicas: &fewest, MaxReplicas: most, LagTargetMilliseconds: &target}
	scaledMuch.Spec.Autoscaling = &v1alpha1.Autoscaling{
		MinReplicas: &fewest, MaxReplicas: most, LagTargetMilliseconds: &target, CPUTargetUtilization: &cpu,
		Behavior: &v1alpha1.AutoscalingBehavior{
			ScaleUp:   &v1alpha1.ScalingRules{SelectPolicy: "Min", Policies: []v1alpha1.ScalingPolicy{{Type: "Percent", Value: 50, PeriodSeconds: 15}}},
			ScaleDown: &v1alpha1.ScalingRules{StabilizationWindowSeconds: &window},
		},
	}

	objects := map[string]any{
		"autoscaler":          desired.Autoscaler(scaled, poolOwner),
		"autoscaler-full":     desired.Autoscaler(scaledMuch, poolOwner),
		"deployment":          desired.Deployment(desired.PoolOf(pool("persister"), least), poolOwner),
		"deployment-full":     desired.Deployment(desired.PoolOf(much, all), poolOwner),
		"disruption-budget":   desired.DisruptionBudget(desired.PoolOf(pool("persister"), least), poolOwner),
		"network-policy":      desired.NetworkPolicy(least, "myelin-system", owner),
		"migration-first":     desired.Migration(least, desired.Expand, 1, owner),
		"migration-later":     desired.Migration(all, desired.Expand, 2, owner),
		"migration-contract":  desired.Migration(least, desired.Contract, 1, owner),
		"shard":               desired.Shard(least, 7, owner),
		"internal-credential": desired.InternalCredential(least, owner, random[:desired.CredentialLength]),
		"signing-key":         desired.SigningKey(least, random),
	}
	for _, service := range desired.Services(least, owner) {
		objects["service-"+*service.Name] = service
	}
	routed := least
	routed.PublicBaseURL = "https://Matrix.example.org:8443/"
	for _, route := range desired.Routes(routed, v1alpha1.Route{
		ParentRefs:    []v1alpha1.GatewayReference{{Name: "public", Namespace: "gateways", SectionName: "https"}, {Name: "inside"}},
		WellKnownHost: "example.org",
	}, owner) {
		objects["route-"+*route.Name] = route
	}
	for name, o := range objects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := yaml.Marshal(o)
			require.NoError(t, err)
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, got, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

func TestTemplateDoesNotDependOnReplicas(t *testing.T) {
	t.Parallel()
	h := desired.HomeserverOf(homeserver())
	two, many := pool("persister"), pool("persister")
	*many.Spec.Replicas = 200
	a, b := desired.Deployment(desired.PoolOf(two, h), desired.Owner{}), desired.Deployment(desired.PoolOf(many, h), desired.Owner{})
	require.NotEqual(t, a.Spec.Replicas, b.Spec.Replicas)
	require.Equal(t, a.Spec.Template, b.Spec.Template)
}

func TestInputs(t *testing.T) {
	t.Parallel()
	base := desired.Inputs([]byte("k"), "image", []byte("ab"), []byte("c"))
	require.Len(t, base, 10)
	for name, other := range map[string]string{
		"another key":     desired.Inputs([]byte("l"), "image", []byte("ab"), []byte("c")),
		"another image":   desired.Inputs([]byte("k"), "image2", []byte("ab"), []byte("c")),
		"another content": desired.Inputs([]byte("k"), "image", []byte("ab"), []byte("d")),
		"moved border":    desired.Inputs([]byte("k"), "image", []byte("a"), []byte("bc")),
	} {
		require.NotEqual(t, base, other, name)
	}
}
