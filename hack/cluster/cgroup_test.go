package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseHierarchies(t *testing.T) {
	t.Parallel()
	const v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	const hybrid = `24 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
25 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
26 24 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
27 24 0:25 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
28 24 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
29 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
	for _, tc := range []struct {
		name, mountinfo string
		count, version  int
		home            string
	}{
		{"v2", v2, 1, 2, "/sys/fs/cgroup"},
		{"hybrid", hybrid, 5, 1, "/sys/fs/cgroup/unified"},
		{"v1", hybrid[:len(hybrid)-len("29 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")], 4, 1, "/sys/fs/cgroup/pids"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			all := parseHierarchies(tc.mountinfo)
			require.Len(t, all, tc.count)
			require.Equal(t, tc.version, cgroupVersion(all))
			home, err := homeOf(all)
			require.NoError(t, err)
			require.Equal(t, tc.home, home)
		})
	}
	require.Equal(t, []string{"cpu", "cpuacct"}, parseHierarchies(hybrid)[0].Controllers)
	_, err := homeOf(nil)
	require.Error(t, err)
}

func TestMountsBelow(t *testing.T) {
	t.Parallel()
	const mountinfo = `30 24 0:26 / / rw - ext4 /dev/vda rw
31 30 0:40 / /var/lib/one rw - tmpfs tmpfs rw
32 31 0:41 / /var/lib/one/a rw - tmpfs tmpfs rw
33 32 0:42 / /var/lib/one/a/b\040c rw - overlay overlay rw
34 30 0:43 / /var/lib/one-more/a rw - tmpfs tmpfs rw
`
	require.Equal(t, []string{"/var/lib/one/a/b c", "/var/lib/one/a"}, mountsBelow(mountinfo, "/var/lib/one"))
}
