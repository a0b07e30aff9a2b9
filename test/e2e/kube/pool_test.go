package kube

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachStateOfAPoolIsTold(t *testing.T) {
	t.Parallel()
	var all []Pool
	err := readPools(strings.NewReader(`{"spec": {"replicas": 1}, "status": {"replicas": 1}}
{
  "spec": {"replicas": 3},
  "status": {"readyReplicas": 2, "conditions": [{"type": "Ready", "status": "False", "reason": "Scaling", "message": "1 is missing"}]}
}`), func(p Pool) { all = append(all, p) })
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []Pool{
		{Wanted: 1, Conditions: map[string]Condition{}},
		{Wanted: 3, Ready: 2, Conditions: map[string]Condition{"Ready": {"False", "Scaling", "1 is missing"}}},
	}, all)
	require.Error(t, readPools(strings.NewReader("error: no such thing"), func(Pool) { t.Error("a pool of nothing") }))
}
