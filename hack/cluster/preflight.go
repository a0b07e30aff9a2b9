package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Check is one thing that up needs.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // what to do when it is not OK
}

// Report is what preflight found.
type Report struct {
	OK      bool    `json:"ok"`
	Flavour Flavour `json:"flavour"`
	Checks  []Check `json:"checks"`
}

func (r *Report) add(name string, ok bool, detail, remedy string) {
	c := Check{Name: name, OK: ok, Detail: detail}
	if !ok {
		c.Remedy = remedy
		r.OK = false
	}
	r.Checks = append(r.Checks, c)
}

// err is nil when up can go, and else says all that is missing.
func (r *Report) err() error {
	if r.OK {
		return nil
	}
	var missing []string
	for _, c := range r.Checks {
		if !c.OK {
			missing = append(missing, fmt.Sprintf("  %s: %s. %s.", c.Name, c.Detail, c.Remedy))
		}
	}
	return errors.New("this machine cannot run the cluster yet:\n" + strings.Join(missing, "\n"))
}

func preflightCommand(ctx context.Context, set Settings, args []string) error {
	asJSON := slices.Equal(args, []string{"--json"})
	if len(args) > 0 && !asJSON {
		return errors.New("usage: preflight [--json]")
	}
	var report *Report
	if s, err := loadState(set.State); err == nil {
		report = preflight(ctx, set, s.Flavour)
	} else if flavour, err := chooseFlavour(ctx); err != nil {
		return err
	} else {
		report = preflight(ctx, set, flavour)
	}
	if asJSON {
		encoder := json.NewEncoder(set.Out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(set.Out, "flavour: %s\n", report.Flavour)
		for _, c := range report.Checks {
			fmt.Fprintf(set.Out, "%-4s %-14s %s\n", map[bool]string{true: "ok", false: "NO"}[c.OK], c.Name, c.Detail)
		}
	}
	return report.err()
}

// What the first run takes, and each later one. Measured on 2 cores: 3.4 GB of
// Go's caches and 0.6 GB of binaries; linking kube-apiserver peaks at 2.1 GB;
// the idle cluster holds 0.7 GB, the homeserver and its tour the rest.
const (
	coldDisk, warmDisk     = 8 << 30, 2 << 30
	coldMemory, warmMemory = 3 << 30, 2 << 30
)

func preflight(ctx context.Context, set Settings, flavour Flavour) *Report {
	r := &Report{OK: true, Flavour: flavour}
	r.add("system", runtime.GOOS == "linux", runtime.GOOS+"/"+runtime.GOARCH, "The cluster needs Linux")
	r.add("go", found("go"), "the go command is "+presence(found("go")), "Install Go "+strings.TrimPrefix(runtime.Version(), "go"))
	switch flavour {
	case Kind:
		works := dockerWorks(ctx)
		r.add("docker", works, "Docker's engine "+map[bool]string{true: "answers", false: "does not answer"}[works], "Start Docker, or set CLUSTER=bare")
		return r
	case Current:
		preflightCurrent(ctx, r)
		return r
	}
	root := os.Geteuid() == 0
	r.add("root", root, fmt.Sprintf("running as user %d", os.Geteuid()), "Run it as root: it makes network interfaces, mounts and cgroups")
	preflightCapabilities(r)
	preflightSpace(r, set.State)
	preflightCgroups(r)
	overlay, _ := os.ReadFile("/proc/filesystems")
	r.add("overlayfs", strings.Contains(string(overlay), "\toverlay\n") || do(ctx, "modprobe", "overlay") == nil, "containers' file systems are overlays", "Load the kernel module overlay")
	missing := missingPackages()
	apt := found("apt-get") && found("dpkg-deb")
	detail := "all installed"
	if len(missing) > 0 {
		detail = "to be installed: " + strings.Join(missing, " ")
	}
	r.add("packages", apt, detail+"; etcd, containerd, runc and CNI's plugins come from Debian's packages, unpacked", "Use Debian 12, or a descendant with apt-get and dpkg-deb")
	for _, program := range []string{"setpriv", "nice", "sh"} {
		if !found(program) {
			r.add("commands", false, program+" is not installed", "Install util-linux and coreutils")
		}
	}
	socket := filepath.Join(set.State, "run", "containerd.sock.ttrpc")
	r.add("state folder", len(socket) < 108, set.State, "Name a shorter one by --state: sockets in it may have 107 characters")
	s, err := loadState(set.State)
	ours := err == nil && s.Firewall && s.BootID == bootID()
	alone := ours || !hasKubeProxyChains(ctx)
	r.add("kube-proxy", alone, map[bool]string{true: "no other's on this machine", false: "the firewall holds another's chains, KUBE-*"}[alone], "Another Kubernetes node runs here: use its cluster with CLUSTER=current CONFIRM=<context>, or remove it and its KUBE-* chains (`kube-proxy --cleanup`)")
	owner := bridgeOwner()
	r.add("bridge", owner == "" || owner == set.State, "the interface "+bridge+" is "+map[bool]string{true: "free, or this cluster's", false: "of " + owner}[owner == "" || owner == set.State],
		"Run down with --state of the cluster that it belongs to, or delete it by `ip link delete "+bridge+"`")
	return r
}

func presence(ok bool) string {
	if ok {
		return "there"
	}
	return "not there"
}

// capabilities that root may lack in a container or a hardened machine, by bit.
// CAP_SYS_RESOURCE is not among them: containerd is told to do without.
var capabilities = map[string]int{
	"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8,
	"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_CHROOT": 18, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27,
}

func preflightCapabilities(r *Report) {
	status, err := os.ReadFile("/proc/self/status")
	var lacking []string
	if err == nil {
		lacking, err = lackingCapabilities(string(status))
	}
	detail := "all that are needed"
	if err != nil {
		detail = err.Error()
	} else if len(lacking) > 0 {
		detail = "lacking " + strings.Join(lacking, " ")
	}
	r.add("capabilities", err == nil && len(lacking) == 0, detail, "Run it as root of the machine itself, or of a privileged container")
}

func lackingCapabilities(status string) ([]string, error) {
	for line := range strings.Lines(status) {
		hex, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		effective, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil {
			return nil, err
		}
		var lacking []string
		for name, bit := range capabilities {
			if effective&(1<<bit) == 0 {
				lacking = append(lacking, name)
			}
		}
		slices.Sort(lacking)
		return lacking, nil
	}
	return nil, errors.New("/proc/self/status has no CapEff")
}

func preflightSpace(r *Report, state string) {
	disk, memory := uint64(coldDisk), uint64(coldMemory)
	cache, err := cacheRoot()
	if err != nil {
		r.add("disk", false, err.Error(), "Set HOME")
		return
	}
	if b := (&Binaries{Dir: filepath.Join(cache, kubernetesVersion, "bin")}); !slices.ContainsFunc(append(envtestBinaries, nodeBinaries...), func(n string) bool { return !b.Has(n) }) {
		disk, memory = warmDisk, warmMemory
	}
	for _, dir := range slices.Compact([]string{cache, state}) {
		free, err := freeSpace(dir)
		if err != nil {
			r.add("disk", false, err.Error(), "Name another folder by --state or XDG_CACHE_HOME")
			continue
		}
		r.add("disk", free >= disk, fmt.Sprintf("%.1f GB free for %s, %.0f needed", float64(free)/(1<<30), dir, float64(disk)/(1<<30)), "Free some, or name another disk by --state, XDG_CACHE_HOME, GOCACHE and GOMODCACHE")
	}
	available, err := memoryAvailable()
	if err != nil {
		r.add("memory", false, err.Error(), "Mount /proc")
		return
	}
	r.add("memory", available >= memory, fmt.Sprintf("%.1f GB available, %.0f needed", float64(available)/(1<<30), float64(memory)/(1<<30)), "Stop other programs, or use a larger machine")
}

// freeSpace is the space below a folder that may not exist yet.
func freeSpace(dir string) (uint64, error) {
	for {
		var fs syscall.Statfs_t
		err := syscall.Statfs(dir, &fs)
		if err == nil {
			return fs.Bavail * uint64(fs.Bsize), nil
		}
		if !errors.Is(err, os.ErrNotExist) || dir == "/" {
			return 0, fmt.Errorf("free space of %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

func memoryAvailable() (uint64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kb, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}

func preflightCgroups(r *Report) {
	all, err := hierarchies()
	if err != nil || len(all) == 0 {
		r.add("cgroups", false, "no cgroup hierarchy is mounted", "Mount cgroup2 on /sys/fs/cgroup")
		return
	}
	var have []string
	for _, h := range all {
		have = append(have, h.Controllers...)
		if h.V2 {
			list, _ := os.ReadFile(filepath.Join(h.Mount, "cgroup.controllers"))
			have = append(have, strings.Fields(string(list))...)
		}
	}
	var lacking []string
	for _, c := range []string{"cpu", "cpuset", "memory", "pids"} {
		if !slices.Contains(have, c) {
			lacking = append(lacking, c)
		}
	}
	detail := fmt.Sprintf("version %d", cgroupVersion(all))
	if len(lacking) > 0 {
		detail += ", without the controllers " + strings.Join(lacking, " ")
	}
	r.add("cgroups", len(lacking) == 0, detail, "Enable them on the kernel's command line (cgroup_enable=…), or use a kernel that has them")
}
