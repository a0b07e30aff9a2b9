package main

import (
	"context"
	"fmt"
	"time"
)

// Folders that kubelet and the CNI library make outside the state directory,
// with no option to name others.
var foreignFolders = []string{
	"/var/lib/kubelet", "/var/lib/cni", "/var/log/containers", "/run/containerd", "/run/cni", "/etc/cni", "/usr/libexec/kubernetes",
}

// upBare makes the cluster out of processes on this machine. Each part that
// runs and answers is left as it is, so a second up only looks.
func (s *State) upBare(ctx context.Context, p *Progress, namespace string) error {
	b, err := openBinaries(p)
	if err != nil {
		return err
	}
	debian, err := openDebian(p)
	if err != nil {
		return err
	}
	if err := debian.Install(ctx, missingPackages()...); err != nil {
		return err
	}
	if err := debian.Unpack(ctx, "etcd-server", "containerd", "runc", "containernetworking-plugins"); err != nil {
		return err
	}
	needed := append(envtestBinaries, nodeBinaries...)
	if s.Autoscaling {
		needed = append(needed, metricsServer)
	}
	if err := b.Build(ctx, needed...); err != nil {
		return err
	}
	if err := p.Step(ctx, "network and certificates", s.prepare); err != nil {
		return err
	}

	control := func(ctx context.Context) error {
		if err := s.run(ctx, p, s.etcd(debian.Path("usr/bin/etcd"))); err != nil {
			return err
		}
		return s.run(ctx, p, s.apiserver(b.Path("kube-apiserver")))
	}
	runtime := func(ctx context.Context) error {
		for _, n := range s.nodes() {
			d, err := n.containerd(debian)
			if err != nil {
				return err
			}
			if err := s.run(ctx, p, d); err != nil {
				return err
			}
		}
		return s.loadImage(ctx, Image{Ref: pauseImage, Binaries: []string{b.Path("pause")}})
	}
	databases := func(ctx context.Context) error {
		d, err := s.postgres(ctx)
		if err != nil {
			return fmt.Errorf("make the Postgres cluster: %w", err)
		}
		if err := s.run(ctx, p, d); err != nil {
			return err
		}
		if err := s.makeDatabase(ctx); err != nil {
			return fmt.Errorf("make the database: %w", err)
		}
		if d, err = s.redis(); err != nil {
			return err
		}
		return s.run(ctx, p, d)
	}
	if err := together(ctx, control, runtime, databases); err != nil {
		return err
	}

	var kubelets []Daemon
	for _, n := range s.nodes() {
		kubelet, err := n.kubelet(b.Path("kubelet"))
		if err != nil {
			return err
		}
		kubelets = append(kubelets, kubelet)
	}
	proxy, err := s.kubeProxy(b.Path("kube-proxy"))
	if err != nil {
		return err
	}
	coredns, err := s.coredns(b.Path("coredns"))
	if err != nil {
		return err
	}
	err = together(ctx,
		func(ctx context.Context) error { return s.kubectl(ctx, s.dnsManifest(), "apply", "-f", "-") },
		func(ctx context.Context) error {
			return s.run(ctx, p, s.controllerManager(b.Path("kube-controller-manager")))
		},
		func(ctx context.Context) error { return s.run(ctx, p, s.scheduler(b.Path("kube-scheduler"))) },
		func(ctx context.Context) error {
			for _, kubelet := range kubelets {
				if err := s.run(ctx, p, kubelet); err != nil {
					return err
				}
			}
			return nil
		},
		func(ctx context.Context) error { return s.run(ctx, p, proxy) },
		func(ctx context.Context) error { return s.run(ctx, p, coredns) },
		func(ctx context.Context) error { return s.offerDatabases(ctx, namespace) },
	)
	if err != nil {
		return err
	}
	return together(ctx,
		func(ctx context.Context) error {
			for _, n := range s.nodes() {
				if err := p.Step(ctx, "node "+n.name()+" Ready", n.ready); err != nil {
					return err
				}
			}
			if s.Autoscaling {
				return s.offerMetrics(ctx, p, b.Path(metricsServer))
			}
			return nil
		},
		func(ctx context.Context) error {
			return p.Step(ctx, "Services reachable", func(ctx context.Context) error {
				return await(ctx, time.Minute, 300*time.Millisecond, s.resolves(s.Network.dnsService().String()+":53"))
			})
		},
	)
}

func (s *State) run(ctx context.Context, p *Progress, d Daemon) error {
	return p.Step(ctx, d.Name, func(ctx context.Context) error { return s.ensure(ctx, d) })
}

// prepare chooses addresses and ports and makes what the daemons stand on.
func (s *State) prepare(ctx context.Context) error {
	if !s.Network.Block.IsValid() {
		used, err := usedPrefixes(ctx)
		if err != nil {
			return err
		}
		block, err := chooseBlock(used)
		if err != nil {
			return err
		}
		s.Network = cut(block)
	}
	running, err := cgroupPIDs("daemons")
	if err != nil {
		return err
	}
	taken := portTaken
	if len(running) > 0 {
		taken = s.takenByOthers(portTaken)
	}
	if s.Ports, err = choosePorts(s.allPorts(), s.Ports, taken); err != nil {
		return err
	}
	if err := s.foreseeFolders(foreignFolders...); err != nil {
		return err
	}
	if err := s.raise(ctx); err != nil {
		return err
	}
	if err := s.openFirewall(ctx); err != nil {
		return err
	}
	if err := s.pki().make(s.nodes(), s.Network); err != nil {
		return err
	}
	return s.writeKubeconfigs()
}
