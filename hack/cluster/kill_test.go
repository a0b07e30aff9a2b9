package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	testPod = "f378a004-08d6-4917-a9ef-19fd1222c23c"
	testID  = "221164deb461c06f61fdd34f0ddcb281c50b538314289ea695cc07a3ce262632"
)

func TestInContainer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cgroup string
		want   bool
	}{
		"cgroupfs, v1":                 {"11:pids:/myelin/kubepods/burstable/pod" + testPod + "/" + testID + "\n0::/\n", true},
		"cgroupfs, v2":                 {"0::/myelin/kubepods/pod" + testPod + "/" + testID + "\n", true},
		"kind's systemd":               {"0::/docker/7be1/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable-podf378a004_08d6_4917_a9ef_19fd1222c23c.slice/cri-containerd-" + testID + ".scope\n", true},
		"another container of the pod": {"0::/kubepods/pod" + testPod + "/0" + testID[1:] + "\n", false},
		"another pod":                  {"0::/kubepods/pod0" + testPod[1:] + "/" + testID + "\n", false},
		"a host's process":             {"0::/user.slice\n", false},
		"nothing":                      {"", false},
	} {
		require.Equal(t, tc.want, inContainer(tc.cgroup, testPod, testID), name)
	}
}

func TestContainerProcessIsTheFirst(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	write := func(pid, cgroup, nspid string) {
		require.NoError(t, os.MkdirAll(filepath.Join(proc, pid), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "cgroup"), []byte(cgroup), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "status"), []byte("Name:\tx\nNSpid:\t"+nspid+"\n"), 0o600))
	}
	ours := "0::/kubepods/pod" + testPod + "/" + testID + "\n"
	write("100", ours, "100\t17") // an exec in it
	write("200", ours, "200\t1")
	write("300", "0::/\n", "300\t1")
	write("1", "0::/\n", "1")
	pid, err := containerProcess(proc, testPod, testID)
	require.NoError(t, err)
	require.Equal(t, 200, pid)
	_, err = containerProcess(proc, testPod, "other")
	require.ErrorContains(t, err, "no process")
}

func TestContainerID(t *testing.T) {
	t.Parallel()
	list := []byte(`{"items":[{"metadata":{"uid":"u1"},"status":{"containerStatuses":[
		{"name":"a","containerID":"containerd://id-a"},{"name":"b"}]}},{"metadata":{"uid":"u2"},"status":{}}]}`)
	id, err := containerID(list, "u1", "a")
	require.NoError(t, err)
	require.Equal(t, "id-a", id)
	for _, tc := range [][2]string{{"u1", "b"}, {"u1", "c"}, {"u2", "a"}, {"u3", "a"}} {
		_, err := containerID(list, tc[0], tc[1])
		require.Error(t, err, tc)
	}
}
