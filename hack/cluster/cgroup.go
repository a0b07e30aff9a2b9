package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupName is the cgroup, in every hierarchy, of all that a bare cluster
// runs: daemons below daemons/, pods below kubepods/. What is in it is ours,
// with no pid file to go stale, and it is gone after a restart of the machine.
const cgroupName = "myelin"

// Hierarchy is a mounted cgroup tree: one for v2, one per controller for v1.
type Hierarchy struct {
	Mount       string
	V2          bool
	Controllers []string // v1: those of this mount
}

// hierarchies lists what is mounted. A hybrid machine has v1 controllers and a
// v2 tree without any.
func hierarchies() ([]Hierarchy, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseHierarchies(string(info)), nil
}

// v1Controllers are those that may stand among a v1 mount's options.
var v1Controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "perf_event", "rdma", "misc", "name=systemd"}

func parseHierarchies(mountinfo string) []Hierarchy {
	var all []Hierarchy
	for line := range strings.Lines(mountinfo) {
		before, behind, ok := strings.Cut(strings.TrimSpace(line), " - ")
		head, tail := strings.Fields(before), strings.Fields(behind)
		if !ok || len(head) < 5 || len(tail) < 3 || slices.ContainsFunc(all, func(h Hierarchy) bool { return h.Mount == head[4] }) {
			continue
		}
		switch tail[0] {
		case "cgroup2":
			all = append(all, Hierarchy{Mount: head[4], V2: true})
		case "cgroup":
			h := Hierarchy{Mount: head[4]}
			for o := range strings.SplitSeq(tail[2], ",") {
				if slices.Contains(v1Controllers, o) {
					h.Controllers = append(h.Controllers, o)
				}
			}
			all = append(all, h)
		}
	}
	return all
}

// cgroupVersion is 2 when v2 holds the controllers, else 1.
func cgroupVersion(all []Hierarchy) int {
	if slices.ContainsFunc(all, func(h Hierarchy) bool { return !h.V2 && slices.Contains(h.Controllers, "memory") }) {
		return 1
	}
	return 2
}

// makeCgroups makes our cgroup in each hierarchy, and the one below it if it is
// named, and returns the file into which a daemon writes its pid to be found again.
func makeCgroups(below string) (procs string, err error) {
	all, err := hierarchies()
	if err != nil {
		return "", err
	}
	for _, h := range all {
		if h.V2 {
			delegate(h.Mount)
		}
		for _, dir := range slices.Compact([]string{filepath.Join(h.Mount, cgroupName), filepath.Join(h.Mount, cgroupName, below)}) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", fmt.Errorf("make the cgroup: %w", err)
			}
			if h.V2 {
				delegate(dir)
			}
			if slices.Contains(h.Controllers, "cpuset") {
				for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
					parent, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), f))
					_ = os.WriteFile(filepath.Join(dir, f), parent, 0o644)
				}
			}
		}
	}
	home, err := homeOf(all)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(home, cgroupName, below, "daemons")
	return filepath.Join(dir, "cgroup.procs"), os.MkdirAll(dir, 0o755)
}

// delegate lets the children of a v2 cgroup have every controller it has;
// kubelet refuses a root that lacks one. A controller that cannot be
// delegated is found by kubelet, with a better sentence than ours.
func delegate(dir string) {
	list, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for c := range strings.FieldsSeq(string(list)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
	}
}

// homeOf chooses the hierarchy that holds the daemons: v2, which accounts
// nothing of its own on a hybrid machine, or v1's pids.
func homeOf(all []Hierarchy) (string, error) {
	for _, wanted := range []func(Hierarchy) bool{
		func(h Hierarchy) bool { return h.V2 },
		func(h Hierarchy) bool { return slices.Contains(h.Controllers, "pids") },
		func(h Hierarchy) bool { return slices.Contains(h.Controllers, "name=systemd") },
	} {
		if i := slices.IndexFunc(all, wanted); i >= 0 {
			return all[i].Mount, nil
		}
	}
	return "", errors.New("no cgroup hierarchy is mounted")
}

// cgroupPIDs returns every process in our cgroup, or in one below it.
func cgroupPIDs(below ...string) ([]int, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, h := range all {
		root := filepath.Join(append([]string{h.Mount, cgroupName}, below...)...)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.Name() != "cgroup.procs" {
				return nil // cgroups vanish while we walk
			}
			list, _ := os.ReadFile(path)
			for f := range strings.FieldsSeq(string(list)) {
				if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// killCgroup kills all of it until nothing is left, new children included.
func killCgroup(timeout time.Duration, below ...string) error {
	deadline := time.Now().Add(timeout)
	for {
		pids, err := cgroupPIDs(below...)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not die within %s", pids, timeout)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeCgroups removes our cgroup from every hierarchy; it must be empty.
func removeCgroups() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var failures []error
	for _, h := range all {
		root := filepath.Join(h.Mount, cgroupName)
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		slices.Reverse(dirs)
		for _, dir := range dirs {
			// The kernel lets go of a dead process's cgroup a moment later.
			for try := 0; ; try++ {
				err := syscall.Rmdir(dir)
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					break
				}
				if try == 100 {
					failures = append(failures, fmt.Errorf("remove cgroup %s: %w", dir, err))
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return errors.Join(failures...)
}
