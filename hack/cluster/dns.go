package main

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"
)

// coredns answers on a port of its own at the bridge's address; pods reach it
// as the Service kube-dns, so port 53 may be anyone's.
func (s *State) coredns(program string) (Daemon, error) {
	corefile := fmt.Sprintf(`.:%d {
    bind %s
    errors
    cache 5
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig %s
        ttl 5
    }
`, s.Ports["coredns"], s.Network.Node, s.path("kubeconfigs", "coredns"))
	if r := resolvConf(); r != "" {
		corefile += "    forward . " + r + "\n"
	}
	if err := writeFile(s.path("Corefile"), []byte(corefile+"}\n"), 0o644); err != nil {
		return Daemon{}, err
	}
	return Daemon{
		Name:    "coredns",
		Args:    []string{program, "-conf", s.path("Corefile")},
		Stop:    syscall.SIGTERM,
		Ready:   s.resolves(s.at(s.Network.Node.String(), "coredns")),
		Timeout: time.Minute,
	}, nil
}

// resolves asks that server for the address of the API's Service.
func (s *State) resolves(server string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server)
		}}
		found, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
		if err != nil {
			return err
		}
		if want := s.Network.kubernetesService().String(); len(found) != 1 || found[0] != want {
			return fmt.Errorf("DNS says %v, not %s", found, want)
		}
		return nil
	}
}

// dnsManifest is kube-dns, and what CoreDNS may read.
func (s *State) dnsManifest() string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: system:coredns}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: system:coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:coredns}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: %[1]s
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: ["%[2]s"], conditions: {ready: true}}]
ports:
- {name: dns, port: %[3]d, protocol: UDP}
- {name: dns-tcp, port: %[3]d, protocol: TCP}
`, s.Network.dnsService(), s.Network.Node, s.Ports["coredns"])
}
