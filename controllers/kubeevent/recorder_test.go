package kubeevent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

type sink struct{ notes []string }

func (s *sink) Eventf(_, _ runtime.Object, _, _, _, note string, args ...any) {
	s.notes = append(s.notes, args[0].(string))
}

func TestEventsBeyondTheLimitAreDropped(t *testing.T) {
	t.Parallel()
	var s sink
	r := newRecorder(&s, flowcontrol.NewTokenBucketPassiveRateLimiter(0.0001, 3))
	for range 10 {
		r.Record(&v1alpha1.Homeserver{}, plan.Notice{Message: "a"}, plan.Notice{Message: "b"})
	}
	require.Equal(t, []string{"a", "b", "a"}, s.notes)
}

func TestLongMessagesAreCutToWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	var s sink
	r := newRecorder(&s, flowcontrol.NewFakeAlwaysRateLimiter())
	r.Record(&v1alpha1.Homeserver{}, plan.Notice{Message: strings.Repeat("ü", 600)}, plan.Notice{Message: "100% sure"})
	require.LessOrEqual(t, len(s.notes[0]), most)
	require.True(t, strings.HasSuffix(s.notes[0], "ü…"))
	require.Equal(t, "100% sure", s.notes[1])
}
