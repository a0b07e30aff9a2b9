package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// pauseImage is the sandbox's; it is built here and never pulled.
const pauseImage = "localhost/myelin-pause:1"

func (n Node) containerdSocket() string { return n.path("run", "containerd.sock") }

// containerd's own root, state and socket keep it apart from any other.
// The opt plugin would make /opt/containerd; an AppArmor profile would stay
// loaded after down; without CAP_SYS_RESOURCE runc dies when it lowers an
// oom_score_adj, hence restrict_oom_score_adj.
func (n Node) containerd(debian *Debian) (Daemon, error) {
	cni := fmt.Sprintf(`{
  "cniVersion": "0.4.0", "name": "%s",
  "plugins": [{
    "type": "ptp", "mtu": %d,
    "ipam": {"type": "host-local", "dataDir": "%s", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
`, cniNetwork, podMTU(), n.path("cni", "addresses"), n.pods())
	if err := writeFile(n.path("cni", "net.d", "10-myelin.conflist"), []byte(cni), 0o644); err != nil {
		return Daemon{}, err
	}
	config := fmt.Sprintf(`version = 2
root = "%[1]s/containerd"
state = "%[1]s/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "%[2]s"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%[3]s"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "%[1]s/run/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[4]s"
    conf_dir = "%[1]s/cni/net.d"
`, n.path(), n.containerdSocket(), pauseImage, debian.Path("usr/lib/cni"))
	if err := writeFile(n.path("containerd.toml"), []byte(config), 0o644); err != nil {
		return Daemon{}, err
	}
	path := strings.Join([]string{debian.Path("usr/bin"), debian.Path("usr/sbin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"}, ":")
	return Daemon{
		Name:    n.own("containerd"),
		Cgroup:  n.cgroup(),
		Args:    []string{debian.Path("usr/bin/containerd"), "--config", n.path("containerd.toml")},
		Env:     []string{"PATH=" + path},
		Stop:    syscall.SIGTERM,
		Ready:   func(ctx context.Context) error { return n.ctr(ctx, debian, "images", "ls", "-q") },
		Timeout: time.Minute,
	}, nil
}

// cniNetwork names what the CNI library caches about our pods in /var/lib/cni.
const cniNetwork = "myelin-cluster"

// podMTU is the smallest of the machine's interfaces that are up, so that what
// a pod sends outside need not be fragmented.
func podMTU() int {
	mtu := 1500
	files, _ := filepath.Glob("/sys/class/net/*/mtu")
	for _, f := range files {
		var n int
		if state, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "operstate")); strings.TrimSpace(string(state)) != "up" {
			continue
		}
		if data, err := os.ReadFile(f); err == nil {
			if _, err := fmt.Sscan(string(data), &n); err == nil && n >= 1280 {
				mtu = min(mtu, n)
			}
		}
	}
	return mtu
}

// ctr speaks to the node's containerd about Kubernetes' images and containers.
func (n Node) ctr(ctx context.Context, debian *Debian, args ...string) error {
	return do(ctx, debian.Path("usr/bin/ctr"), append([]string{"--address", n.containerdSocket(), "--namespace", "k8s.io"}, args...)...)
}

func (n Node) kubelet(program string) (Daemon, error) {
	p := n.pki()
	config := fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
port: %[2]d
healthzBindAddress: 127.0.0.1
healthzPort: %[3]d
readOnlyPort: 0
tlsCertFile: %[4]s
tlsPrivateKeyFile: %[5]s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[6]s}}
authorization: {mode: Webhook}
clusterDomain: cluster.local
clusterDNS: [%[7]s]
resolvConf: %[8]q
cgroupDriver: cgroupfs
cgroupRoot: %[9]s
containerRuntimeEndpoint: unix://%[10]s
failSwapOn: false
failCgroupV1: false
enforceNodeAllocatable: []
evictionHard: {}
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
oomScoreAdj: 0
podLogsDir: %[11]s/log/pods
volumePluginDir: %[11]s/kubelet/volume-plugins
serializeImagePulls: true
shutdownGracePeriod: 0s
maxPods: 250
nodeStatusUpdateFrequency: 5s
`, n.address(), n.Ports[n.own("kubelet")], n.Ports[n.own("kubelet-healthz")], p.cert(n.own("kubelet")), p.key(n.own("kubelet")), p.cert("ca"),
		n.Network.dnsService(), resolvConf(), filepath.Join("/", cgroupName, n.cgroup()), n.containerdSocket(), n.path())
	if err := writeFile(n.path("kubelet.yaml"), []byte(config), 0o600); err != nil {
		return Daemon{}, err
	}
	return Daemon{
		Name:   n.own("kubelet"),
		Cgroup: n.cgroup(),
		Args: []string{
			program, "--config=" + n.path("kubelet.yaml"), "--kubeconfig=" + n.State.path("kubeconfigs", n.own("kubelet")),
			"--root-dir=" + n.path("kubelet"), "--hostname-override=" + n.name(), "--node-ip=" + n.address().String(),
		},
		Stop:    syscall.SIGTERM,
		Ready:   n.getOK("", "http://"+n.at("127.0.0.1", n.own("kubelet-healthz"))+"/healthz"),
		Timeout: time.Minute,
	}, nil
}

func resolvConf() string {
	if _, err := os.Stat("/etc/resolv.conf"); err != nil {
		return ""
	}
	return "/etc/resolv.conf"
}

// kubeProxy leaves the machine's connection tracking settings and the reach of
// its loopback as they are.
func (s *State) kubeProxy(program string) (Daemon, error) {
	config := fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
bindAddress: %[1]s
clientConnection: {kubeconfig: %[2]s}
clusterCIDR: %[3]s
hostnameOverride: %[4]s
healthzBindAddress: 127.0.0.1:%[5]d
metricsBindAddress: 127.0.0.1:%[6]d
oomScoreAdj: 0
iptables: {localhostNodePorts: false}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`, s.Network.Node, s.path("kubeconfigs", "kube-proxy"), s.Network.Pods, nodeName, s.Ports["kube-proxy-healthz"], s.Ports["kube-proxy-metrics"])
	if err := writeFile(s.path("kube-proxy.yaml"), []byte(config), 0o600); err != nil {
		return Daemon{}, err
	}
	return Daemon{
		Name:    "kube-proxy",
		Args:    []string{program, "--config=" + s.path("kube-proxy.yaml")},
		Stop:    syscall.SIGTERM,
		Ready:   s.getOK("", "http://"+s.at("127.0.0.1", "kube-proxy-healthz")+"/healthz"),
		Timeout: time.Minute,
	}, nil
}

// ready waits for the node.
func (n Node) ready(ctx context.Context) error {
	return await(ctx, 2*time.Minute, 300*time.Millisecond, func(ctx context.Context) error {
		ready, err := n.kubectlOutput(ctx, "", "get", "node", n.name(), "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && ready != "True" {
			err = errors.New("the node " + n.name() + " is not Ready")
		}
		return err
	})
}
