package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChooseBlockAvoidsWhatIsRouted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		used []string
		want string
	}{
		{"nothing used", nil, "10.212.0.0/20"},
		{"a host in it", []string{"10.212.3.4/32"}, "10.212.16.0/20"},
		{"a network around it", []string{"10.0.0.0/8"}, "172.16.0.0/20"},
		{"Docker's and a VPN's", []string{"10.0.0.0/8", "172.16.0.0/15", "172.18.0.0/16"}, "172.19.0.0/20"},
		{"all but the last", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/17", "192.168.128.0/18", "192.168.192.0/19", "192.168.224.0/20"}, "192.168.240.0/20"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var used []netip.Prefix
			for _, u := range tc.used {
				used = append(used, netip.MustParsePrefix(u))
			}
			got, err := chooseBlock(used)
			require.NoError(t, err)
			require.Equal(t, tc.want, got.String())
		})
	}
	_, err := chooseBlock([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")})
	require.ErrorContains(t, err, "no private /20 is free")
}

func TestCutLeavesNoOverlap(t *testing.T) {
	t.Parallel()
	n := cut(netip.MustParsePrefix("172.19.240.0/20"))
	require.Equal(t, "172.19.240.1", n.Node.String())
	require.Equal(t, "172.19.244.0/22", n.Pods.String())
	require.Equal(t, "172.19.248.0/22", n.Services.String())
	require.Equal(t, "172.19.248.1", n.kubernetesService().String())
	require.Equal(t, "172.19.248.10", n.dnsService().String())
	require.False(t, n.Pods.Contains(n.Node) || n.Services.Contains(n.Node) || n.Pods.Overlaps(n.Services))
}

func TestParseUsed(t *testing.T) {
	t.Parallel()
	routes := `[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"192.0.2.0/24","dev":"eth0"},
		{"type":"local","dst":"10.7.0.9","dev":"wg0","table":"local"},{"dst":"10.8.0.0/16","dev":"wg0","table":"51820"}]`
	got, err := parseUsed([]byte(routes), "search example.org\nnameserver 10.212.0.53\nnameserver fd00::1\n")
	require.NoError(t, err)
	var text []string
	for _, p := range got {
		text = append(text, p.String())
	}
	require.Equal(t, []string{"192.0.2.0/24", "10.7.0.9/32", "10.8.0.0/16", "10.212.0.53/32"}, text)

	got, err = parseUsed(nil, "")
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = parseUsed([]byte("Error: option -j is unknown"), "")
	require.Error(t, err)
}
