package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
)

// portNames are the servers of a bare cluster that listen on TCP. Where a
// well-known port is taken on the machine it does not matter: none is used.
var portNames = []string{
	"etcd", "etcd-peer", "kube-apiserver", "kubelet", "kubelet-healthz", "kube-proxy-healthz", "kube-proxy-metrics",
	"coredns", "postgres", "redis",
}

// allPorts are those of portNames, and those of what only some clusters have: a metrics-server, more nodes than one.
func (s *State) allPorts() []string {
	all := slices.Clone(portNames)
	if s.Autoscaling {
		all = append(all, metricsServer)
	}
	for _, n := range s.nodes()[1:] {
		all = append(all, n.own("kubelet"), n.own("kubelet-healthz"))
	}
	return all
}

// Ports are taken between firstPort and lastPort: below the kernel's ephemeral
// range, where a chosen port could be some connection's the moment before it is
// bound, and below Kubernetes' node ports.
const firstPort, lastPort = 21000, 29999

// choosePorts keeps the ports that are chosen already, unless taken says
// that somebody else has them, and gives each other name a free one.
func choosePorts(names []string, chosen map[string]int, taken func(int) bool) (map[string]int, error) {
	ports, used := make(map[string]int, len(names)), map[int]bool{}
	for _, name := range names {
		if port := chosen[name]; port != 0 && !taken(port) {
			ports[name], used[port] = port, true
		}
	}
	next := firstPort
	for _, name := range names {
		for ; ports[name] == 0; next++ {
			if next > lastPort {
				return nil, fmt.Errorf("no free port for %s between %d and %d", name, firstPort, lastPort)
			}
			if !used[next] && !taken(next) {
				ports[name], used[next] = next, true
			}
		}
	}
	return ports, nil
}

// takenByOthers is taken, but for ports that are chosen already: our own daemons
// have them, and keep them when the cluster is given more. A port that somebody
// else took from one that has ended is found out when that one starts.
func (s *State) takenByOthers(taken func(int) bool) func(int) bool {
	ours := slices.Collect(maps.Values(s.Ports))
	return func(port int) bool { return !slices.Contains(ours, port) && taken(port) }
}

// portTaken says whether the port cannot be bound on every address, by TCP or
// by UDP, which is so when anyone listens on any.
func portTaken(port int) bool {
	address := ":" + strconv.Itoa(port)
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return true
	}
	tcp.Close()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return true
	}
	udp.Close()
	return false
}
