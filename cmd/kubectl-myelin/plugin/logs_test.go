package plugin

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// pod of the Homeserver demo.
func pod(name, pool string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: name, Labels: map[string]string{
		v1alpha1.LabelHomeserver: "demo", v1alpha1.LabelPool: pool, "app.kubernetes.io/component": "worker",
	}}}
}

// logs runs kubectl myelin logs in a cluster with two pools, and returns what it asked the API server for.
func logs(t *testing.T, args ...string) (code int, out, errs string, asked []*corev1.PodLogOptions) {
	t.Helper()
	other := pod("other-0", "other")
	other.Labels[v1alpha1.LabelHomeserver] = "other"
	core := fake.NewClientset(pod("p-0", "p"), pod("p-1", "p"), pod("q-0", "q"), other)
	var mu sync.Mutex
	core.PrependReactor("get", "pods", func(a ktesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() == "log" {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, a.(ktesting.GenericAction).GetValue().(*corev1.PodLogOptions))
		}
		return false, nil, nil
	})
	var o, e bytes.Buffer
	hs := &v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "demo"}}
	code = run(t.Context(), append([]string{"logs"}, args...), &o, &e, nil, func(context.Context, target) (cluster, error) {
		return cluster{core: core, homeserver: hs}, nil
	})
	return code, o.String(), e.String(), asked
}

func TestLogsOfAllOfAPoolAndOfOne(t *testing.T) {
	t.Parallel()
	_, out, _, _ := logs(t)
	require.ElementsMatch(t, []string{"p-0 fake logs", "p-1 fake logs", "q-0 fake logs"}, lines(out))
	_, out, _, _ = logs(t, "--pool", "p")
	require.ElementsMatch(t, []string{"p-0 fake logs", "p-1 fake logs"}, lines(out))
	code, out, errs, asked := logs(t, "q-0", "--tail=7", "--since=90s", "-p")
	require.Zero(t, code, errs)
	require.Equal(t, []string{"q-0 fake logs"}, lines(out))
	require.Len(t, asked, 1)
	require.Equal(t, int64(7), *asked[0].TailLines)
	require.Equal(t, int64(90), *asked[0].SinceSeconds)
	require.True(t, asked[0].Previous)
	_, _, _, asked = logs(t, "q-0", "--tail=-1")
	require.Nil(t, asked[0].TailLines)
}

func TestLogsOfNobodyAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"other-0"}, {"--pool", "none"}} {
		code, _, errs, _ := logs(t, args...)
		require.Equal(t, exitRefused, code, errs)
	}
	code, _, _, _ := logs(t, "p-0", "p-1")
	require.Equal(t, exitUsage, code)
	code, _, _, _ = logs(t, "--tail=-2")
	require.Equal(t, exitUsage, code)
}

func TestLongLinesAreDivided(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	long := strings.Repeat("x", maxLine+1)
	require.NoError(t, copyLines(&out, &sync.Mutex{}, "p-0", strings.NewReader("short\n"+long+"\nend")))
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, got, 4)
	require.Equal(t, "p-0  short", got[0])
	require.Equal(t, "p-0  x", got[2])
	require.Equal(t, "p-0  end", got[3])
}
