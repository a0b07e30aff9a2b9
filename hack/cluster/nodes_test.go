package main

import (
	"net/netip"
	"slices"
	"testing"
)

func TestNodesShareNothing(t *testing.T) {
	t.Parallel()
	s := &State{dir: "/var/lib/x", Nodes: mostNodes, Network: cut(netip.MustParsePrefix("10.212.0.0/20"))}
	seen := map[string]int{}
	for _, n := range s.nodes() {
		for _, own := range []string{n.name(), n.path(), n.containerdSocket(), n.address().String(), n.pods().String(), "cgroup " + n.cgroup(), n.own("kubelet")} {
			if other := seen[own]; other != 0 {
				t.Errorf("nodes %d and %d both have %s", other, n.number, own)
			}
			seen[own] = n.number
		}
		if !s.Network.Pods.Contains(n.pods().Addr()) || !s.Network.Block.Contains(n.address()) || s.Network.Pods.Contains(n.address()) {
			t.Errorf("node %d has the address %s and the pods %s, out of place", n.number, n.address(), n.pods())
		}
		for _, port := range []string{"kubelet", "kubelet-healthz"} {
			if !slices.Contains(s.allPorts(), n.own(port)) {
				t.Errorf("node %d has no port for its %s", n.number, port)
			}
		}
	}
}

func TestOnlyANodeThatRunsNothingElseIsKilled(t *testing.T) {
	t.Parallel()
	s, err := createState(t.TempDir(), Bare)
	if err != nil {
		t.Fatal(err)
	}
	s.Nodes = 2
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{nodeName, nodeName + "-3", ""} {
		if err := killNode(Settings{State: s.dir}, []string{name}); err == nil {
			t.Errorf("node %q was killed", name)
		}
	}
}
