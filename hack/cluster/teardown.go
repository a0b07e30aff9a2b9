package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// downBare removes everything, in the order in which nothing is made anew
// meanwhile. Each part is tried, whatever became of the others.
func (s *State) downBare(ctx context.Context, p *Progress) error {
	var failures []error
	try := func(name string, do func() error) {
		if err := p.Step(ctx, name, func(context.Context) error { return do() }); err != nil {
			failures = append(failures, err)
		}
	}
	try("stopped the node", func() error {
		names := []string{"kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", metricsServer, "kube-apiserver"}
		for _, n := range s.nodes() {
			names = append(names, n.own("kubelet"))
		}
		for _, name := range names {
			if err := s.stop(name, syscall.SIGKILL, 0); err != nil {
				return err
			}
		}
		return nil
	})
	try("stopped pods", func() error {
		for _, n := range s.nodes() {
			if err := killCgroup(20*time.Second, n.cgroup(), "kubepods"); err != nil {
				return err
			}
		}
		for _, n := range s.nodes() {
			n.awaitShims(5 * time.Second)
		}
		return nil
	})
	try("stopped databases", func() error {
		var failed []error
		for _, n := range s.nodes() {
			failed = append(failed, s.stop(n.own("containerd"), syscall.SIGTERM, 5*time.Second))
		}
		return errors.Join(errors.Join(failed...),
			s.stop("postgres", syscall.SIGQUIT, 10*time.Second), // at once, but frees its shared memory
			s.stop("redis", syscall.SIGKILL, 0),
			s.stop("etcd", syscall.SIGKILL, 0),
			killCgroup(20*time.Second),
		)
	})
	try("removed mounts and network", func() error {
		return errors.Join(s.removeShimSockets(), s.unmount(), s.removeLinks(ctx), s.removeFirewall(ctx), s.restoreSysctls())
	})
	try("removed files", func() error {
		return errors.Join(removeCgroups(), s.removeForeign(), errors.Join(failures...))
	})
	if len(failures) > 0 || ctx.Err() != nil {
		return errors.Join(append(failures, ctx.Err())...) // state.json stays for the next try
	}
	return s.removeState()
}

// awaitShims gives containerd the time to see that the containers are gone and
// to end their shims in good order; those that stay are killed with the rest.
func (n Node) awaitShims(timeout time.Duration) {
	if _, ok := n.process(n.own("containerd")); !ok {
		return
	}
	for deadline := time.Now().Add(timeout); len(n.shimBundles()) > 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
}

// removeShimSockets removes what killed shims leave in /run/containerd/s, by
// the address that each bundle names.
func (s *State) removeShimSockets() error {
	var failures []error
	var bundles []string
	for _, n := range s.nodes() {
		bundles = append(bundles, n.shimBundles()...)
	}
	for _, bundle := range bundles {
		address, err := os.ReadFile(filepath.Join(bundle, "address"))
		if err != nil {
			continue
		}
		if socket, ok := strings.CutPrefix(strings.TrimSpace(string(address)), "unix://"); ok && strings.HasPrefix(socket, "/run/containerd/s/") {
			if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
				failures = append(failures, err)
			}
		}
	}
	return errors.Join(failures...)
}

// unmount detaches every mount below the state directory, the last made first.
func (s *State) unmount() error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var failures []error
	for _, point := range mountsBelow(string(info), s.dir) {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			failures = append(failures, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(failures...)
}

// mountsBelow lists the mount points in a mountinfo that lie below a folder,
// the last first. The kernel writes a space as \040.
func mountsBelow(mountinfo, dir string) []string {
	var points []string
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`)
	for line := range strings.Lines(mountinfo) {
		if f := strings.Fields(line); len(f) > 4 {
			if point := plain.Replace(f[4]); strings.HasPrefix(point, dir+"/") {
				points = append([]string{point}, points...)
			}
		}
	}
	return points
}

// removeFirewall runs only when we opened it: else the chains are another's.
func (s *State) removeFirewall(ctx context.Context) error {
	if !s.Firewall || !found("iptables-save") {
		return nil
	}
	return closeFirewall(ctx)
}

// removeForeign removes what was made outside the state directory: in folders
// that were there before only what is named after us.
func (s *State) removeForeign() error {
	var failures []error
	patterns := []string{cniNetwork + "-*"}
	for _, n := range s.nodes() {
		sandboxes, _ := filepath.Glob(n.path("containerd", "io.containerd.grpc.v1.cri", "sandboxes", "*"))
		for _, sandbox := range sandboxes {
			patterns = append(patterns, "cni-loopback-"+filepath.Base(sandbox)+"-lo")
		}
	}
	for _, pattern := range patterns {
		files, _ := filepath.Glob("/var/lib/cni/results/" + pattern)
		for _, f := range files {
			failures = append(failures, os.Remove(f))
		}
	}
	links, _ := filepath.Glob("/var/log/containers/*.log")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, s.dir+"/") {
			failures = append(failures, os.Remove(l))
		}
	}
	for _, f := range s.Folders {
		if f == "/var/lib/kubelet" {
			_ = os.Remove(filepath.Join(f, "device-plugins", "kubelet.sock"))
		}
		removeEmpty(f)
	}
	return errors.Join(failures...)
}

// removeEmpty removes a folder and those below it, as far as they are empty.
func removeEmpty(dir string) {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for _, d := range slices.Backward(dirs) {
		_ = syscall.Rmdir(d)
	}
}
