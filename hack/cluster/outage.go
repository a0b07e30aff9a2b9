package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// killNode kills all of a node at once: kubelet, containerd, its shims and the pods. Nothing is told to anybody, and the
// node's addresses stay: a connection to a pod of it is refused, where one to a machine without power would hang.
func killNode(set Settings, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: kill-node NAME")
	}
	s, err := bareState(set)
	if err != nil {
		return err
	}
	n, err := s.find(args[0])
	if err != nil {
		return err
	}
	if n.cgroup() == "" {
		return fmt.Errorf("%s also runs the control plane and the databases: kill another node, which `up --nodes 2` makes", n.name())
	}
	at := time.Now()
	if err := killCgroup(20*time.Second, n.cgroup()); err != nil {
		return err
	}
	return json.NewEncoder(set.Out).Encode(map[string]any{"node": n.name(), "killedAtUnixNano": at.UnixNano()})
}

// database stops or starts the Postgres or the Redis beside the cluster.
func database(ctx context.Context, set Settings, command string, args []string) error {
	if len(args) != 1 || args[0] != "postgres" && args[0] != "redis" {
		return fmt.Errorf("usage: %s postgres|redis", command)
	}
	s, err := bareState(set)
	if err != nil {
		return err
	}
	if command == "stop" {
		signal := syscall.SIGINT // fast: ends clients' sessions
		if args[0] == "redis" {
			signal = syscall.SIGTERM
		}
		return s.stop(args[0], signal, 10*time.Second)
	}
	var d Daemon
	if args[0] == "postgres" {
		d, err = s.postgres(ctx)
	} else {
		d, err = s.redis()
	}
	if err != nil {
		return err
	}
	return s.ensure(ctx, d)
}

// bareState is the state of a cluster whose processes are ours to stop.
func bareState(set Settings) (*State, error) {
	s, err := loadState(set.State)
	if err != nil {
		return nil, noCluster(err)
	}
	if s.Flavour != Bare {
		return nil, fmt.Errorf("the cluster is a %s one: only a bare one has its nodes and databases on this machine", s.Flavour)
	}
	return s, nil
}
