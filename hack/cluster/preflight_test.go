package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLackingCapabilities(t *testing.T) {
	t.Parallel()
	got, err := lackingCapabilities("Name:\tx\nCapEff:\t000001fffeffffff\n")
	require.NoError(t, err)
	require.Empty(t, got, "all but CAP_SYS_RESOURCE")
	got, err = lackingCapabilities("CapEff:\t00000000a80425fb\n")
	require.NoError(t, err)
	require.Equal(t, []string{"CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}, got, "an ordinary container")
	_, err = lackingCapabilities("Name:\tx\n")
	require.Error(t, err)
}

func TestReportSaysWhatToDo(t *testing.T) {
	t.Parallel()
	r := &Report{OK: true}
	r.add("memory", true, "4.0 GB available", "Buy some")
	require.NoError(t, r.err())
	r.add("root", false, "running as user 7", "Run it as root")
	require.False(t, r.OK)
	require.ErrorContains(t, r.err(), "root: running as user 7. Run it as root.")
	require.NotContains(t, r.err().Error(), "memory")
}

func TestFreeSpaceOfWhatIsNotThereYet(t *testing.T) {
	t.Parallel()
	free, err := freeSpace(filepath.Join(t.TempDir(), "not", "yet"))
	require.NoError(t, err)
	require.Positive(t, free)
}

func TestVersionFlags(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^v1\.34\.\d+$`, kubernetesVersion)
	flags := versionFlags("v1.34.4")
	require.Contains(t, flags, "-X k8s.io/component-base/version.gitVersion=v1.34.4")
	require.Contains(t, flags, "-X k8s.io/component-base/version.gitMinor=34")
}
