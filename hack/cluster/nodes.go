package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
)

// mostNodes is how many nodes fit: each has a /24 of the pods' addresses.
const mostNodes = 4

// Node is a kubelet and a containerd, with folders, addresses and a cgroup of their own. The first node's stand where a
// cluster of one node has them; only the others can be killed, since all else runs beside the first.
type Node struct {
	*State
	number int // from 1
}

// nodes are all that the cluster has.
func (s *State) nodes() []Node {
	all := make([]Node, max(1, s.Nodes))
	for i := range all {
		all[i] = Node{s, i + 1}
	}
	return all
}

// own is a daemon's or a file's name for this node.
func (n Node) own(name string) string {
	if n.number == 1 {
		return name
	}
	return name + "-" + strconv.Itoa(n.number)
}

func (n Node) name() string { return n.own(nodeName) }

// path is a name below the node's folder.
func (n Node) path(elements ...string) string {
	if n.number == 1 {
		return n.State.path(elements...)
	}
	return n.State.path(append([]string{n.own("node")}, elements...)...)
}

// address is the node's on the bridge.
func (n Node) address() netip.Addr { return nth(n.Network.Block, n.number) }

// pods are the addresses of the pods on the node.
func (n Node) pods() netip.Prefix {
	return netip.PrefixFrom(nth(n.Network.Pods, (n.number-1)<<8), 24)
}

// cgroup holds the node's pods, and the daemons of all nodes but the first; its path is below our own cgroup.
func (n Node) cgroup() string {
	if n.number == 1 {
		return ""
	}
	return n.own("node")
}

// find returns the node of that name.
func (s *State) find(name string) (Node, error) {
	for _, n := range s.nodes() {
		if n.name() == name {
			return n, nil
		}
	}
	return Node{}, fmt.Errorf("the cluster has no node %s", name)
}

// shimBundles are the folders that containerd keeps for its running shims.
func (n Node) shimBundles() []string {
	all, _ := filepath.Glob(n.path("run", "containerd", "io.containerd.runtime.v2.task", "*", "*"))
	return all
}
