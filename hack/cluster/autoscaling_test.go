package main

import (
	"encoding/base64"
	"flag"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyAClusterWithAutoscalingHasItsParts(t *testing.T) {
	t.Parallel()
	s := &State{dir: "/var/lib/x", Network: cut(netip.MustParsePrefix("10.212.0.0/20")), Ports: map[string]int{metricsServer: 21017}}
	require.NotContains(t, s.allPorts(), metricsServer)
	plain := s.controllerManager("kube-controller-manager").Args
	s.Autoscaling = true
	require.Contains(t, s.allPorts(), metricsServer)
	with := s.controllerManager("kube-controller-manager").Args
	require.Equal(t, plain, with[:len(plain)], "the rest is as it was")
	require.Contains(t, with[len(plain):], "--horizontal-pod-autoscaler-sync-period="+hpaPeriod)
}

// The API server reaches it by the Service's endpoint and checks its certificate by the Service's name.
func TestMetricsAreServedWhereTheyAreRegistered(t *testing.T) {
	t.Parallel()
	s := &State{dir: "/var/lib/x", Autoscaling: true, Network: cut(netip.MustParsePrefix("10.212.0.0/20")), Ports: map[string]int{metricsServer: 21017}}
	args := s.metricsServer("metrics-server").Args
	require.Contains(t, args, "--bind-address=10.212.0.1")
	require.Contains(t, args, "--secure-port=21017")
	require.False(t, slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "insecure") }))
	manifest := s.metricsManifest([]byte("authority"))
	require.Contains(t, manifest, `endpoints: [{addresses: ["10.212.0.1"]`)
	require.Contains(t, manifest, `ports: [{name: https, port: 21017}]`)
	require.Contains(t, manifest, "caBundle: "+base64.StdEncoding.EncodeToString([]byte("authority")))
	require.NotContains(t, manifest, "%!")

	s.dir = t.TempDir()
	require.NoError(t, s.pki().make(s.nodes(), s.Network))
	config, err := s.pki().config(metricsServer)
	require.NoError(t, err)
	require.NoError(t, config.Certificates[0].Leaf.VerifyHostname("metrics-server.kube-system.svc"))
	require.Equal(t, "system:metrics-server", config.Certificates[0].Leaf.Subject.CommonName, "whom RBAC lets read the kubelets' metrics")
}

func TestASwitchTakesNoArgument(t *testing.T) {
	t.Parallel()
	var on bool
	var state string
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.BoolVar(&on, "autoscaling", false, "")
	flags.StringVar(&state, "state", "", "")
	rest, err := parse(flags, []string{"--autoscaling", "up", "--state", "/var/lib/x"})
	require.NoError(t, err)
	require.True(t, on)
	require.Equal(t, "/var/lib/x", state)
	require.Equal(t, []string{"up"}, rest)
}
