package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killCommand sends SIGKILL to a container's first process, as the kernel's
// out-of-memory killer would: neither kubelet nor the API server knows before.
func killCommand(ctx context.Context, set Settings, args []string) error {
	flags := flag.NewFlagSet("kill", flag.ContinueOnError)
	pod := flags.String("pod-uid", "", "the pod's metadata.uid")
	container := flags.String("container", "", "the container's name in the pod")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *pod == "" || *container == "" {
		return errors.New("usage: kill --pod-uid UID --container NAME")
	}
	s, err := loadState(set.State)
	if err != nil {
		return noCluster(err)
	}
	if s.Flavour == Current {
		return errors.New("kill needs the node's processes on this machine: CLUSTER=bare, or kind on Linux")
	}
	list, err := s.kubectlOutput(ctx, "", "get", "pods", "--all-namespaces", "-o", "json")
	if err != nil {
		return err
	}
	id, err := containerID([]byte(list), *pod, *container)
	if err != nil {
		return err
	}
	pid, err := containerProcess("/proc", *pod, id)
	if err != nil {
		return err
	}
	at := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return json.NewEncoder(set.Out).Encode(map[string]any{
		"pid": pid, "containerID": id, "podUID": *pod, "container": *container, "killedAtUnixNano": at.UnixNano(),
	})
}

// containerID finds the running container in a list of pods.
func containerID(list []byte, podUID, container string) (string, error) {
	var pods struct {
		Items []struct {
			Metadata struct{ UID string }
			Status   struct {
				ContainerStatuses []struct{ Name, ContainerID string }
			}
		}
	}
	if err := json.Unmarshal(list, &pods); err != nil {
		return "", fmt.Errorf("parse the list of pods: %w", err)
	}
	for _, p := range pods.Items {
		if p.Metadata.UID != podUID {
			continue
		}
		for _, c := range p.Status.ContainerStatuses {
			if _, id, ok := strings.Cut(c.ContainerID, "://"); ok && c.Name == container {
				return id, nil
			}
		}
		return "", fmt.Errorf("pod %s has no running container %q", podUID, container)
	}
	return "", fmt.Errorf("no pod has the uid %s", podUID)
}

// containerProcess finds the container's first process on the host: in the
// container's cgroup, and number 1 of its own PID namespace.
func containerProcess(proc, podUID, id string) (int, error) {
	dirs, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !inContainer(string(cgroup), podUID, id) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err == nil && isFirst(string(status)) {
			return strconv.Atoi(filepath.Base(dir))
		}
	}
	return 0, fmt.Errorf("container %s of pod %s has no process on this machine", id, podUID)
}

// inContainer says whether /proc/PID/cgroup is of that container. The last
// element of its path is the id, or cri-containerd-ID.scope under systemd's
// driver, which also writes the pod's uid with underscores.
func inContainer(cgroup, podUID, id string) bool {
	for line := range strings.Lines(cgroup) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		dir, last := filepath.Split(fields[2])
		last = strings.TrimPrefix(strings.TrimSuffix(last, ".scope"), "cri-containerd-")
		if last == id && (strings.Contains(dir, "pod"+podUID) || strings.Contains(dir, "pod"+strings.ReplaceAll(podUID, "-", "_"))) {
			return true
		}
	}
	return false
}

// isFirst says whether /proc/PID/status is of number 1 in a namespace below
// the host's.
func isFirst(status string) bool {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			pids := strings.Fields(rest)
			return len(pids) > 1 && pids[len(pids)-1] == "1"
		}
	}
	return false
}
