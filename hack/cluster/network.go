package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Network is the cluster's addresses: one private /20, cut into the node's
// bridge, the pods and the Services.
type Network struct {
	Block    netip.Prefix `json:"block"`
	Node     netip.Addr   `json:"node"`     // the first node's address, on the bridge, on which all servers listen
	Pods     netip.Prefix `json:"pods"`     // /22
	Services netip.Prefix `json:"services"` // /22
}

// bridge holds the node's address and nothing else: each pod has a veth pair
// of its own, routed by the host (CNI's ptp), so packets between pods pass
// iptables without the kernel module that bridged ones need. A bridge rather
// than a dummy interface because every kernel that runs containers has it.
const bridge = "myelin0"

// kubernetesService and dnsService are the Services' fixed addresses.
func (n Network) kubernetesService() netip.Addr { return nth(n.Services, 1) }
func (n Network) dnsService() netip.Addr        { return nth(n.Services, 10) }

// cut divides a /20.
func cut(block netip.Prefix) Network {
	at := func(offset int) netip.Addr { return nth(block, offset) }
	return Network{
		Block:    block,
		Node:     at(1),
		Pods:     netip.PrefixFrom(at(4<<8), 22),
		Services: netip.PrefixFrom(at(8<<8), 22),
	}
}

// nth counts from the network's own address, within its last two bytes.
func nth(p netip.Prefix, n int) netip.Addr {
	a := p.Masked().Addr().As4()
	n += int(a[2])<<8 | int(a[3])
	a[2], a[3] = byte(n>>8), byte(n)
	return netip.AddrFrom4(a)
}

// chooseBlock returns the first private /20 that meets none of the prefixes.
func chooseBlock(used []netip.Prefix) (netip.Prefix, error) {
	for _, base := range []string{"10.212.0.0/14", "172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"} {
		all := netip.MustParsePrefix(base)
		for block := netip.PrefixFrom(all.Addr(), 20); all.Contains(block.Addr()); block = netip.PrefixFrom(after(block), 20) {
			if !overlapsAny(block, used) {
				return block, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("no private /20 is free: the machine routes all of them")
}

// after is the address that follows the /20.
func after(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+1<<12)
	return netip.AddrFrom4(a)
}

func overlapsAny(p netip.Prefix, used []netip.Prefix) bool {
	for _, u := range used {
		if p.Overlaps(u) {
			return true
		}
	}
	return false
}

// usedPrefixes are the destinations that the machine routes, in any table, and
// its name servers; the default route is left out.
func usedPrefixes(ctx context.Context) ([]netip.Prefix, error) {
	out, err := output(ctx, "ip", "-j", "-4", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return parseUsed([]byte(out), string(resolv))
}

func parseUsed(routes []byte, resolv string) ([]netip.Prefix, error) {
	var table []struct {
		Dst string `json:"dst"`
		Dev string `json:"dev"`
	}
	if len(strings.TrimSpace(string(routes))) > 0 {
		if err := json.Unmarshal(routes, &table); err != nil {
			return nil, fmt.Errorf("parse `ip -j route`: %w", err)
		}
	}
	var used []netip.Prefix
	for _, r := range table {
		if p, err := netip.ParsePrefix(r.Dst); err == nil && p.Bits() > 0 {
			used = append(used, p)
		} else if a, err := netip.ParseAddr(r.Dst); err == nil {
			used = append(used, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for line := range strings.Lines(resolv) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "nameserver" {
			if a, err := netip.ParseAddr(f[1]); err == nil && a.Is4() {
				used = append(used, netip.PrefixFrom(a, 32))
			}
		}
	}
	return used, nil
}

// bridgeOwner returns the state directory that the bridge was made for, "" when
// there is no bridge, and "?" when it is none of ours.
func bridgeOwner() string {
	dir := filepath.Join("/sys/class/net", bridge)
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	alias, _ := os.ReadFile(filepath.Join(dir, "ifalias"))
	if owner, ok := strings.CutPrefix(strings.TrimSpace(string(alias)), "myelin-cluster "); ok {
		return owner
	}
	return "?"
}

// raise makes the bridge, its address and two routes. The Services' lets the
// host reach them even when it has no default route. The pods' keeps what is
// for a pod that is gone from leaving by the default route, where something
// else might answer in its place. What pods need of the kernel's settings is
// noted before it is changed.
func (s *State) raise(ctx context.Context) error {
	if err := s.setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	// kubelet sets these on its own; noted so that down puts them back.
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"} {
		if err := s.noteSysctl(name); err != nil {
			return err
		}
	}
	n := s.Network
	if bridgeOwner() == "" {
		if err := do(ctx, "ip", "link", "add", bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"link", "set", bridge, "alias", "myelin-cluster " + s.dir},
		{"link", "set", bridge, "up"},
		{"addr", "replace", n.Node.String() + "/24", "dev", bridge},
		{"route", "replace", n.Services.String(), "dev", bridge, "src", n.Node.String()},
		{"route", "replace", "unreachable", n.Pods.String()},
	} {
		if err := do(ctx, "ip", args...); err != nil {
			return err
		}
	}
	for _, node := range s.nodes()[1:] {
		if err := do(ctx, "ip", "addr", "replace", node.address().String()+"/24", "dev", bridge); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) noteSysctl(name string) error {
	now, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return nil // this kernel has no such setting
	}
	if _, noted := s.Sysctls[name]; noted {
		return nil
	}
	if s.Sysctls == nil {
		s.Sysctls = map[string]string{}
	}
	s.Sysctls[name] = strings.TrimSpace(string(now))
	return s.save()
}

func (s *State) setSysctl(name, value string) error {
	if err := s.noteSysctl(name); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644)
}

// restoreSysctls puts the kernel's settings back.
func (s *State) restoreSysctls() error {
	var failures []error
	for name, value := range s.Sysctls {
		failures = append(failures, os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644))
	}
	return errors.Join(failures...)
}

// removeLinks removes the bridge and waits for the pods' veth pairs: they go
// with the pods' namespaces, which the kernel takes down in its own time.
func (s *State) removeLinks(ctx context.Context) error {
	if s.Network.Pods.IsValid() {
		deadline := time.Now().Add(10 * time.Second)
		for {
			links, err := podLinks(ctx, s.Network.Pods)
			if err != nil {
				return err
			}
			if len(links) == 0 {
				break
			}
			if time.Now().After(deadline) {
				for _, l := range links {
					if err := do(ctx, "ip", "link", "delete", l); err != nil {
						return err
					}
				}
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	if bridgeOwner() != s.dir {
		return nil
	}
	nowhere := []string{"unreachable", s.Network.Pods.String()}
	if there, err := output(ctx, "ip", append([]string{"route", "show", "type"}, nowhere...)...); err != nil {
		return err
	} else if there != "" {
		if err := do(ctx, "ip", append([]string{"route", "delete"}, nowhere...)...); err != nil {
			return err
		}
	}
	return do(ctx, "ip", "link", "delete", bridge)
}

// podLinks names the interfaces to which the host routes single pods.
func podLinks(ctx context.Context, pods netip.Prefix) ([]string, error) {
	out, err := output(ctx, "ip", "-j", "-4", "route", "show")
	if err != nil {
		return nil, err
	}
	var routes []struct{ Dst, Dev string }
	if err := json.Unmarshal([]byte(out), &routes); err != nil && strings.TrimSpace(out) != "" {
		return nil, err
	}
	var links []string
	for _, r := range routes {
		if a, err := netip.ParseAddr(r.Dst); err == nil && pods.Contains(a) {
			links = append(links, r.Dev)
		}
	}
	return links, nil
}
