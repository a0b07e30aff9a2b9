package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// daemonNames are the bare cluster's, in the order of their start.
var daemonNames = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet", "kube-proxy", "coredns", "postgres", "redis"}

// status prints the daemons with their memory and ports, and the nodes.
func status(ctx context.Context, set Settings) error {
	s, err := loadState(set.State)
	if err != nil {
		return noCluster(err)
	}
	fmt.Fprintf(set.Out, "flavour %s in %s\n", s.Flavour, s.dir)
	if s.Flavour == Bare {
		fmt.Fprintf(set.Out, "node %s, pods %s, Services %s\n\n", s.Network.Node, s.Network.Pods, s.Network.Services)
		table := tabwriter.NewWriter(set.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "DAEMON\tPID\tPORT\tRSS MB")
		names := slices.Clone(daemonNames)
		if s.Autoscaling {
			names = append(names, metricsServer)
		}
		for _, n := range s.nodes()[1:] {
			names = append(names, n.own("containerd"), n.own("kubelet"))
		}
		for _, name := range names {
			pid, rss, port := "stopped", "", ""
			if p, ok := s.process(name); ok {
				pid, rss = strconv.Itoa(p.PID), strconv.Itoa(residentMB(p.PID))
			}
			if n := s.Ports[name]; n != 0 {
				port = strconv.Itoa(n)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, pid, port, rss)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	nodes, err := s.kubectlOutput(ctx, "", "get", "nodes")
	if err != nil {
		return fmt.Errorf("ask the cluster for its nodes: %w", err)
	}
	_, err = fmt.Fprintf(set.Out, "\n%s", nodes)
	return err
}

// residentMB is a process's VmRSS; 0 when it has ended.
func residentMB(pid int) int {
	data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.Atoi(f[1])
			return kb / 1024
		}
	}
	return 0
}
