package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// mark is the comment of every firewall rule that is made here. kube-proxy's
// are known by their chains, KUBE-*, which preflight made sure were no one's.
const mark = "myelin-cluster"

// openFirewall lets pods' packets through where the machine forwards nothing by
// default, and gives them the machine's address on their way outside.
func (s *State) openFirewall(ctx context.Context) error {
	s.Firewall = true
	if err := s.save(); err != nil {
		return err
	}
	pods, block := s.Network.Pods.String(), s.Network.Block.String()
	for _, rule := range [][]string{
		{"filter", "FORWARD", "-s", pods, "-j", "ACCEPT"},
		{"filter", "FORWARD", "-d", pods, "-j", "ACCEPT"},
		{"filter", "INPUT", "-s", pods, "-d", block, "-j", "ACCEPT"},
		{"nat", "POSTROUTING", "-s", pods, "!", "-d", block, "-j", "MASQUERADE"},
	} {
		spec := append(rule[2:], "-m", "comment", "--comment", mark)
		if do(ctx, "iptables", append([]string{"-w", "-t", rule[0], "-C", rule[1]}, spec...)...) == nil {
			continue
		}
		if err := do(ctx, "iptables", append([]string{"-w", "-t", rule[0], "-I", rule[1]}, spec...)...); err != nil {
			return err
		}
	}
	return nil
}

// hasKubeProxyChains says whether some kube-proxy's rules are on the machine.
func hasKubeProxyChains(ctx context.Context) bool {
	out, err := output(ctx, "iptables-save", "-t", "nat")
	return err == nil && strings.Contains(out, ":KUBE-SERVICES ")
}

// closeFirewall removes our rules and kube-proxy's chains, for both families:
// kube-proxy makes its chains in both.
func closeFirewall(ctx context.Context) error {
	for _, tool := range []string{"iptables", "ip6tables"} {
		if _, err := exec.LookPath(tool + "-save"); err != nil {
			continue
		}
		saved, err := output(ctx, tool+"-save")
		if err != nil {
			if tool == "ip6tables" {
				continue // a kernel without IPv6
			}
			return err
		}
		undo := undoRules(saved)
		if undo == "" {
			continue
		}
		cmd := exec.CommandContext(ctx, tool+"-restore", "-w", "--noflush")
		cmd.Stdin = strings.NewReader(undo)
		if _, err := finish(cmd); err != nil {
			return fmt.Errorf("remove the firewall's rules: %w", err)
		}
	}
	return nil
}

// undoRules turns what iptables-save says into what iptables-restore needs to
// remove ours: first the rules in others' chains that are ours or jump to
// KUBE-*, then the KUBE-* chains' own, then the chains.
func undoRules(saved string) string {
	var all strings.Builder
	var table string
	var rules, chains []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table, rules, chains = line, nil, nil
		case strings.HasPrefix(line, ":KUBE-"):
			name, _, _ := strings.Cut(line[1:], " ")
			chains = append(chains, name)
		case strings.HasPrefix(line, "-A ") && !strings.HasPrefix(line, "-A KUBE-"):
			if strings.Contains(line, "-j KUBE-") || strings.Contains(line, "--comment "+mark+" ") || strings.Contains(line, `--comment "`+mark+`" `) {
				rules = append(rules, "-D "+line[3:])
			}
		case line == "COMMIT" && len(rules)+len(chains) > 0:
			all.WriteString(table + "\n")
			for _, r := range rules {
				all.WriteString(r + "\n")
			}
			for _, flag := range []string{"-F ", "-X "} {
				for _, c := range chains {
					all.WriteString(flag + c + "\n")
				}
			}
			all.WriteString("COMMIT\n")
		}
	}
	return all.String()
}
