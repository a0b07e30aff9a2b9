package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A cluster with autoscaling has the API metrics.k8s.io, for HPAs that look at
// CPU, and an HPA controller that looks often enough for a test to be short.
// The external metrics API is Myelin's own, and not the cluster's to bring.
const metricsServer = "metrics-server"

// hpaPeriod is how often the HPA controller looks, instead of every 15 s.
const hpaPeriod = "5s"

// hpaFlags are the controller manager's. An HPA that says nothing of its own
// shrinks after half a minute instead of five; a pod's CPU counts when it is
// that old.
func (s *State) hpaFlags() []string {
	if !s.Autoscaling {
		return nil
	}
	return []string{
		"--horizontal-pod-autoscaler-sync-period=" + hpaPeriod, "--horizontal-pod-autoscaler-downscale-stabilization=30s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=10s", "--horizontal-pod-autoscaler-cpu-initialization-period=30s",
	}
}

// offerMetrics runs metrics-server as a process on the host, like CoreDNS, and
// gives the cluster its API.
func (s *State) offerMetrics(ctx context.Context, p *Progress, program string) error {
	ca, err := os.ReadFile(s.pki().cert("ca"))
	if err != nil {
		return err
	}
	if err := s.kubectl(ctx, s.metricsManifest(ca), "apply", "-f", "-"); err != nil {
		return fmt.Errorf("register metrics.k8s.io: %w", err)
	}
	return s.run(ctx, p, s.metricsServer(program))
}

// metricsServer asks the kubelets as a client of its own, and trusts them by the
// cluster's authority. It is ready when an HPA would get an answer: through the
// aggregation layer, and after the two readings that a rate of CPU needs.
func (s *State) metricsServer(program string) Daemon {
	p, config := s.pki(), s.path("kubeconfigs", metricsServer)
	return Daemon{
		Name: metricsServer,
		Args: []string{
			program, "--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--bind-address=" + s.Network.Node.String(), fmt.Sprintf("--secure-port=%d", s.Ports[metricsServer]),
			"--tls-cert-file=" + p.cert(metricsServer), "--tls-private-key-file=" + p.key(metricsServer),
			"--kubelet-certificate-authority=" + p.cert("ca"), "--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port",
			"--metric-resolution=10s", "--kubelet-request-timeout=5s", "--profiling=false",
		},
		Stop: syscall.SIGTERM,
		Ready: func(ctx context.Context) error {
			for _, n := range s.nodes() {
				if _, runs := s.process(n.own("kubelet")); !runs {
					continue // it was killed
				}
				if err := s.kubectl(ctx, "", "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes/"+n.name()); err != nil {
					return err
				}
			}
			return nil
		},
		Timeout: 2 * time.Minute,
	}
}

// metricsManifest is the API, where it is served, and what metrics-server may
// read; ca is the authority, in PEM, that its certificate is of.
func (s *State) metricsManifest(ca []byte) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: system:%[1]s}
rules:
- {apiGroups: [""], resources: [nodes/metrics], verbs: [get]}
- {apiGroups: [""], resources: [pods, nodes], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: system:%[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:%[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:%[1]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "%[1]s:system:auth-delegator"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:%[1]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:%[1]s}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: kube-system}
spec: {ports: [{name: https, port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: kube-system, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
endpoints: [{addresses: ["%[2]s"], conditions: {ready: true}}]
ports: [{name: https, port: %[3]d}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {name: %[1]s, namespace: kube-system}
  caBundle: %[4]s
`, metricsServer, s.Network.Node, s.Ports[metricsServer], base64.StdEncoding.EncodeToString(ca))
}
