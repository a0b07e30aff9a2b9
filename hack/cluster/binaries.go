package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

//go:embed go.mod
var moduleFile string

// kubernetesVersion is the one that go.mod requires, with its leading v.
var kubernetesVersion = regexp.MustCompile(`k8s\.io/kubernetes (v\S+)`).FindStringSubmatch(moduleFile)[1]

// Binaries is the cache of what is built: static binaries, kept by version
// outside the checkout so that the second run builds nothing.
type Binaries struct {
	Dir      string
	Progress *Progress
}

// cacheRoot is the folder for all that may be thrown away and made again.
func cacheRoot() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder (is HOME set?): %w", err)
	}
	return filepath.Join(dir, "myelin"), nil
}

func openBinaries(p *Progress) (*Binaries, error) {
	root, err := cacheRoot()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, kubernetesVersion, "bin")
	return &Binaries{Dir: dir, Progress: p}, os.MkdirAll(dir, 0o755)
}

// Path is where the binary of that name is kept, built or not.
func (b *Binaries) Path(name string) string { return filepath.Join(b.Dir, name) }

// Has says whether the binary was built before.
func (b *Binaries) Has(name string) bool { return isExecutable(b.Path(name)) }

// envtestBinaries and nodeBinaries are what assets and up build.
var (
	envtestBinaries = []string{"kube-apiserver", "kubectl"}
	nodeBinaries    = []string{"kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "pause"}
)

// Build builds those of the names that the cache lacks, one after the other:
// kube-apiserver's link alone takes 2 GB. A lock keeps two runs apart.
func (b *Binaries) Build(ctx context.Context, names ...string) error {
	unlock, err := lock(ctx, filepath.Join(b.Dir, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	for _, name := range names {
		if b.Has(name) {
			continue
		}
		if err := b.Progress.Step(ctx, "built "+name, func(ctx context.Context) error { return b.build(ctx, name) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *Binaries) build(ctx context.Context, name string) error {
	dir, err := sources()
	if err != nil {
		return err
	}
	pkg, flags := "k8s.io/kubernetes/cmd/"+name, versionFlags(kubernetesVersion)
	switch name {
	case "coredns":
		dir, pkg = filepath.Join(dir, "coredns"), "."
	case "metrics-server":
		dir, pkg = filepath.Join(dir, name), "sigs.k8s.io/metrics-server/cmd/metrics-server"
		flags = "-s -w" // its Kubernetes libraries are of another version, which they know
	case "pause":
		pkg = "./pause"
	case "kind":
		dir, pkg = filepath.Join(dir, "kind"), "sigs.k8s.io/kind"
	}
	fresh := b.Path("." + name + ".new")
	defer os.Remove(fresh)
	cmd := exec.CommandContext(ctx, "nice", "-n", "5",
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", fresh, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return os.Rename(fresh, b.Path(name))
}

// sources finds this program's own folder, whose go.mod says what to build: the
// working directory, or hack/cluster of the checkout that that or the program
// is in.
func sources() (string, error) {
	candidates := []string{".", "hack/cluster"}
	if self, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(self), "..", "hack", "cluster"))
	}
	for _, dir := range candidates {
		if data, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && string(data) == moduleFile {
			return filepath.Abs(dir)
		}
	}
	return "", fmt.Errorf("hack/cluster, as this program was built from it, is not found from the working directory")
}

// versionFlags are the linker's flags by which Kubernetes' binaries know their
// version; without gitVersion kubectl cannot parse the server's.
func versionFlags(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range []string{"gitVersion=" + version, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean"} {
			flags = append(flags, "-X", pkg+"."+v)
		}
	}
	return strings.Join(flags, " ")
}

// assets readies the folder that envtest takes as KUBEBUILDER_ASSETS.
func assets(ctx context.Context, set Settings) error {
	p := newProgress(set.Out)
	b, err := openBinaries(p)
	if err != nil {
		return err
	}
	if err := b.Build(ctx, envtestBinaries...); err != nil {
		return err
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		debian, err := openDebian(p)
		if err != nil {
			return err
		}
		if err := debian.Unpack(ctx, "etcd-server"); err != nil {
			return err
		}
		etcd = debian.Path("usr/bin/etcd")
	}
	if now, _ := os.Readlink(b.Path("etcd")); now != etcd {
		if err := os.Remove(b.Path("etcd")); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.Symlink(etcd, b.Path("etcd")); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(set.Out, b.Dir)
	return err
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
