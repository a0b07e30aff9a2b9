package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Debian is where programs come from that are not built. Those without files
// elsewhere in the system (etcd, containerd, runc, CNI's plugins) are unpacked
// into the cache and never installed: nothing starts, nothing is replaced, and
// Docker's own containerd is left in peace. Only what needs its place in the
// system is installed.
type Debian struct {
	dir      string
	progress *Progress
}

func openDebian(p *Progress) (*Debian, error) {
	root, err := cacheRoot()
	if err != nil {
		return nil, err
	}
	release := "debian"
	if data, err := os.ReadFile("/etc/os-release"); err == nil {
		release = osRelease(string(data))
	}
	return &Debian{dir: filepath.Join(root, release+"-"+runtime.GOARCH), progress: p}, nil
}

// osRelease names the distribution: binaries of one need not run on another.
func osRelease(file string) string {
	id, version := "debian", ""
	for line := range strings.Lines(file) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"`); key {
		case "ID":
			id = value
		case "VERSION_ID":
			version = "-" + value
		}
	}
	return id + version
}

// Path is a file of an unpacked package, by its place in the package.
func (d *Debian) Path(name string) string { return filepath.Join(d.dir, name) }

// unpacked names a file of each package by which to see that it is there.
var unpacked = map[string]string{
	"etcd-server":                 "usr/bin/etcd",
	"containerd":                  "usr/bin/containerd",
	"runc":                        "usr/sbin/runc",
	"containernetworking-plugins": "usr/lib/cni/ptp",
}

// Unpack puts the packages' files into the cache.
func (d *Debian) Unpack(ctx context.Context, packages ...string) error {
	unlock, err := lock(ctx, filepath.Join(d.dir, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	packages = slices.DeleteFunc(slices.Clone(packages), func(p string) bool { return isExecutable(d.Path(unpacked[p])) })
	if len(packages) == 0 {
		return nil
	}
	return d.progress.Step(ctx, "unpacked "+strings.Join(packages, ", "), func(ctx context.Context) error {
		tmp, err := os.MkdirTemp("", "myelin-packages-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		// apt downloads as a user of its own.
		if err := os.Chmod(tmp, 0o777); err != nil {
			return err
		}
		download := func() error {
			cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "download"}, packages...)...)
			cmd.Dir = tmp
			_, err := finish(cmd)
			return err
		}
		if err := download(); err != nil {
			if os.Geteuid() != 0 {
				return fmt.Errorf("%w (`apt-get update`, as root, may help)", err)
			}
			if err := aptGet(ctx, "update"); err != nil {
				return err
			}
			if err := download(); err != nil {
				return err
			}
		}
		files, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := do(ctx, "dpkg-deb", "-x", f, d.dir); err != nil {
				return err
			}
		}
		return nil
	})
}

// installed are the packages that need their place in the system, with what
// tells that they, or something as good, are there.
var installed = []struct {
	name  string
	found func() bool
}{
	{"iptables", func() bool { return found("iptables") && found("iptables-save") && found("iptables-restore") }},
	{"iproute2", func() bool { return found("ip") }},
	{"redis-server", func() bool { return found("redis-server") }},
	{"postgresql", func() bool { return postgresBin() != "" }},
}

// services are the packages' units that would start with the machine.
var services = map[string]string{
	"redis-server": "redis-server.service", "postgresql": "postgresql.service", "pgbouncer": "pgbouncer.service",
}

func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// missingPackages names those of installed that are not there.
func missingPackages() []string {
	var names []string
	for _, p := range installed {
		if !p.found() {
			names = append(names, p.name)
		}
	}
	return names
}

// packages installs the named ones, for the project's other scripts.
func packages(ctx context.Context, set Settings, names []string) error {
	debian, err := openDebian(newProgress(set.Out))
	if err != nil {
		return err
	}
	return debian.Install(ctx, names...)
}

// Install adds packages, removes none, and lets none of their services start,
// now or with the machine.
func (d *Debian) Install(ctx context.Context, names ...string) error {
	// What is there already keeps running as it does.
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		status, err := output(ctx, "dpkg-query", "-W", "-f=${db:Status-Status}", name)
		return err == nil && status == "installed"
	})
	if len(names) == 0 {
		return nil
	}
	return d.progress.Step(ctx, "installed "+strings.Join(names, ", "), func(ctx context.Context) error {
		unlock, err := lock(ctx, filepath.Join(d.dir, ".lock"))
		if err != nil {
			return err
		}
		defer unlock()
		restore, err := forbidServices(policyFile)
		if err != nil {
			return err
		}
		defer restore()
		args := append([]string{"install", "-y", "--no-install-recommends", "--no-remove"}, names...)
		if err := aptGet(ctx, args...); err != nil {
			// The lists may be missing, or older than the archive.
			if err := aptGet(ctx, "update"); err != nil {
				return err
			}
			if err := aptGet(ctx, args...); err != nil {
				return err
			}
		}
		for _, name := range names {
			if unit := services[name]; unit != "" && found("systemctl") {
				if err := do(ctx, "systemctl", "disable", unit); err != nil {
					d.progress.Say("%s will start with the machine: %v", unit, err)
				}
			}
		}
		return nil
	})
}

// aptGet keeps Ctrl-C from dpkg, which would leave packages half configured:
// the step is finished first.
func aptGet(ctx context.Context, args ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cmd := exec.Command("apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := finish(cmd)
	return err
}

// policyFile is what invoke-rc.d asks before a package starts its service.
const policyFile = "/usr/sbin/policy-rc.d"

const policy = "#!/bin/sh\n# Made by myelin's cluster tool while it installs packages; it removes it again.\nexit 101\n"

// forbidServices makes packages start nothing until restore is called. A policy
// of the machine's own stays in force instead.
func forbidServices(file string) (restore func(), err error) {
	if _, err := os.Stat(file); err == nil {
		if !isOurPolicy(file) {
			return func() {}, nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(policy), 0o755); err != nil {
		return nil, err
	}
	return func() { os.Remove(file) }, nil
}

// isOurPolicy finds a policy that an install cut short has left behind.
func isOurPolicy(file string) bool {
	data, err := os.ReadFile(file)
	return err == nil && string(data) == policy
}
