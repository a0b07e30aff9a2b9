// Package kubeevent writes Kubernetes Events (events.k8s.io). They are for people who look: no more are written than a
// cluster bears, and the rest are dropped. What counts is in the status.
package kubeevent

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	eventsv1client "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/controllers/plan"
)

// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// At most burst Events at once, and perSecond in the long run, for all Homeservers together: a few failovers of all shards
// of a large one, then what an API server does not notice.
const (
	burst     = 500
	perSecond = 5
)

// most bytes of a message that the API server takes.
const most = 1024

// A Recorder writes Events in the background. It is safe for concurrent use.
type Recorder struct {
	events  events.EventRecorder
	limiter flowcontrol.PassiveRateLimiter
}

// New makes a recorder that works until ctx is done; then stop waits for what is being written.
func New(ctx context.Context, config *rest.Config, h *http.Client, scheme *runtime.Scheme) (r *Recorder, stop func(), err error) {
	c, err := eventsv1client.NewForConfigAndClient(config, h)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the API of Events: %w", err)
	}
	b := events.NewBroadcaster(&events.EventSinkImpl{Interface: c})
	if err := b.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("start to record Events: %w", err)
	}
	return newRecorder(b.NewRecorder(scheme, "myelin.dev/operator"), flowcontrol.NewTokenBucketPassiveRateLimiter(perSecond, burst)), b.Shutdown, nil
}

func newRecorder(e events.EventRecorder, l flowcontrol.PassiveRateLimiter) *Recorder {
	return &Recorder{e, l}
}

// Record tells of notices about an object. Those beyond the limit are dropped. The same about the same object and pod,
// within some minutes, becomes a count in one Event.
func (r *Recorder) Record(about client.Object, notices ...plan.Notice) {
	for _, n := range notices {
		if !r.limiter.TryAccept() {
			return
		}
		kind := corev1.EventTypeNormal
		if n.Warning {
			kind = corev1.EventTypeWarning
		}
		var pod runtime.Object
		if n.Pod != "" {
			pod = &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: about.GetNamespace(), Name: n.Pod}
		}
		message := n.Message
		if len(message) > most {
			message = strings.ToValidUTF8(message[:most-len("…")], "") + "…"
		}
		r.events.Eventf(about, pod, kind, n.Reason, "Observe", "%s", message)
	}
}
