package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// nodeName is the first node's.
const nodeName = "myelin"

func (s *State) pki() PKI { return PKI{dir: s.path("pki")} }

// listen is the daemon's port behind an address.
func (s *State) at(host, name string) string { return fmt.Sprintf("%s:%d", host, s.Ports[name]) }

func (s *State) apiserverURL() string {
	return "https://" + s.at(s.Network.Node.String(), "kube-apiserver")
}

func (s *State) etcd(program string) Daemon {
	client, peer := "https://"+s.at("127.0.0.1", "etcd"), "https://"+s.at("127.0.0.1", "etcd-peer")
	p := s.pki()
	return Daemon{
		Name: "etcd",
		Args: []string{
			program, "--name=" + nodeName, "--data-dir=" + s.path("etcd"), "--log-level=warn", "--logger=zap",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=" + nodeName + "=" + peer,
			"--cert-file=" + p.cert("etcd"), "--key-file=" + p.key("etcd"), "--trusted-ca-file=" + p.cert("ca"), "--client-cert-auth",
			"--peer-cert-file=" + p.cert("etcd"), "--peer-key-file=" + p.key("etcd"), "--peer-trusted-ca-file=" + p.cert("ca"), "--peer-client-cert-auth",
		},
		Stop:    syscall.SIGTERM,
		Ready:   s.getOK("etcd-client", client+"/health"),
		Timeout: time.Minute,
	}
}

func (s *State) apiserver(program string) Daemon {
	p, n := s.pki(), s.Network
	const issuer = "https://kubernetes.default.svc.cluster.local"
	return Daemon{
		Name: "kube-apiserver",
		Args: []string{
			program, "--bind-address=" + n.Node.String(), "--advertise-address=" + n.Node.String(), fmt.Sprintf("--secure-port=%d", s.Ports["kube-apiserver"]),
			"--etcd-servers=https://" + s.at("127.0.0.1", "etcd"), "--etcd-cafile=" + p.cert("ca"), "--etcd-certfile=" + p.cert("etcd-client"), "--etcd-keyfile=" + p.key("etcd-client"),
			"--tls-cert-file=" + p.cert("kube-apiserver"), "--tls-private-key-file=" + p.key("kube-apiserver"), "--client-ca-file=" + p.cert("ca"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
			"--service-cluster-ip-range=" + n.Services.String(),
			"--service-account-issuer=" + issuer, "--service-account-key-file=" + p.dir + "/service-account.pub", "--service-account-signing-key-file=" + p.key("service-account"),
			"--kubelet-client-certificate=" + p.cert("kubelet-client"), "--kubelet-client-key=" + p.key("kubelet-client"), "--kubelet-certificate-authority=" + p.cert("ca"),
			"--kubelet-preferred-address-types=InternalIP",
			"--requestheader-client-ca-file=" + p.cert("front-proxy-ca"), "--requestheader-allowed-names=front-proxy-client", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
			"--proxy-client-cert-file=" + p.cert("front-proxy-client"), "--proxy-client-key-file=" + p.key("front-proxy-client"), "--enable-aggregator-routing",
			"--profiling=false",
		},
		Stop:    syscall.SIGKILL, // it would wait a minute for open watches; etcd holds all that counts
		Ready:   s.getOK("admin", s.apiserverURL()+"/readyz"),
		Timeout: 2 * time.Minute,
	}
}

// The controller manager and the scheduler serve nothing: whether they work is
// seen by what they do.
func (s *State) controllerManager(program string) Daemon {
	p, config := s.pki(), s.path("kubeconfigs", "kube-controller-manager")
	return Daemon{
		Name: "kube-controller-manager",
		Args: append([]string{
			program, "--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config, "--secure-port=0",
			"--leader-elect=false", "--use-service-account-credentials", "--service-account-private-key-file=" + p.key("service-account"), "--root-ca-file=" + p.cert("ca"),
			"--cluster-signing-cert-file=" + p.cert("ca"), "--cluster-signing-key-file=" + p.key("ca"), "--profiling=false",
		}, s.hpaFlags()...),
		Stop: syscall.SIGTERM,
		Ready: func(ctx context.Context) error {
			return s.kubectl(ctx, "", "get", "serviceaccount", "default", "-n", "default")
		},
		Timeout: time.Minute,
	}
}

func (s *State) scheduler(program string) Daemon {
	config := s.path("kubeconfigs", "kube-scheduler")
	return Daemon{
		Name: "kube-scheduler",
		Args: []string{
			program, "--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config, "--secure-port=0",
			"--leader-elect=false", "--profiling=false",
		},
		Stop:    syscall.SIGTERM,
		Ready:   func(context.Context) error { return nil },
		Timeout: time.Minute,
	}
}

// writeKubeconfigs makes one for each client; the administrator's stands at the
// top of the state directory.
func (s *State) writeKubeconfigs() error {
	files := map[string]string{
		s.kubeconfig(): "admin",
		s.path("kubeconfigs", "kube-controller-manager"): "kube-controller-manager",
		s.path("kubeconfigs", "kube-scheduler"):          "kube-scheduler",
		s.path("kubeconfigs", "kube-proxy"):              "kube-proxy",
		s.path("kubeconfigs", "coredns"):                 "coredns",
		s.path("kubeconfigs", metricsServer):             metricsServer,
	}
	for _, n := range s.nodes() {
		files[s.path("kubeconfigs", n.own("kubelet"))] = n.own("kubelet")
	}
	for file, client := range files {
		var encoded [3]string
		for i, f := range []string{s.pki().cert("ca"), s.pki().cert(client), s.pki().key(client)} {
			data, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			encoded[i] = base64.StdEncoding.EncodeToString(data)
		}
		config := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: myelin
contexts: [{name: myelin, context: {cluster: myelin, user: %[1]s}}]
clusters: [{name: myelin, cluster: {server: "%[2]s", certificate-authority-data: %[3]s}}]
users: [{name: %[1]s, user: {client-certificate-data: %[4]s, client-key-data: %[5]s}}]
`, client, s.apiserverURL(), encoded[0], encoded[1], encoded[2])
		if err := writeFile(file, []byte(config), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// getOK asks a server for 200 as that client.
func (s *State) getOK(client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		transport := &http.Transport{DisableKeepAlives: true}
		if strings.HasPrefix(url, "https:") {
			config, err := s.pki().config(client)
			if err != nil {
				return err
			}
			transport.TLSClientConfig = config
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
		}
		return nil
	}
}

// kubectl runs it as the administrator with that text on its standard input.
func (s *State) kubectl(ctx context.Context, stdin string, args ...string) error {
	_, err := s.kubectlOutput(ctx, stdin, args...)
	return err
}

func (s *State) kubectlOutput(ctx context.Context, stdin string, args ...string) (string, error) {
	program, err := s.clientKubectl()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"--kubeconfig", s.kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	// HOME would have kubectl keep its cache, and read preferences, there.
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+s.path("kubectl-cache"), "KUBERC=off")
	return finish(cmd)
}
