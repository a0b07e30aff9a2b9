package namedwatch

import (
	"context"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// How long to wait before a watch that failed is tried again: at first, and at most. It doubles in between.
const (
	firstWait = 5 * time.Second
	lastWait  = 5 * time.Minute
)

// Watches are those of one controller: an object is queued when another that it follows is made, changed or removed, and
// whenever a watch begins anew, since what happened in between is not known. It is safe for concurrent use.
type Watches struct {
	client client.WithWatch
	kind   schema.GroupVersionKind

	mu      sync.Mutex
	queue   workqueue.TypedRateLimitingInterface[ctrl.Request]
	ctx     context.Context // of the source; nil before it starts
	ended   bool
	running sync.WaitGroup
	follows map[types.NamespacedName]map[string]context.CancelFunc // by object, then by the name of what it follows
}

// New makes Watches of objects of a kind: a manager runs them, and a controller has their Source.
func New(c client.WithWatch, kind schema.GroupVersionKind) *Watches {
	return &Watches{client: c, kind: kind, follows: map[types.NamespacedName]map[string]context.CancelFunc{}}
}

// Source is what the controller watches.
func (w *Watches) Source() source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ctx, w.queue = ctx, queue
		return nil
	})
}

// Start waits for ctx, and then for all watches to end.
func (w *Watches) Start(ctx context.Context) error {
	<-ctx.Done()
	w.mu.Lock()
	w.ended = true
	for object := range w.follows {
		w.drop(object, nil)
	}
	w.mu.Unlock()
	w.running.Wait()
	return nil
}

// Follow makes these names, in the object's namespace, the ones that the object is queued for. Those that it followed before
// and that are not among them are followed no longer.
func (w *Watches) Follow(object types.NamespacedName, names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil || w.ended {
		return
	}
	w.drop(object, names)
	for _, name := range names {
		if _, ok := w.follows[object][name]; ok {
			continue
		}
		if w.follows[object] == nil {
			w.follows[object] = map[string]context.CancelFunc{}
		}
		ctx, cancel := context.WithCancel(w.ctx)
		w.follows[object][name] = cancel
		w.running.Go(func() { w.run(ctx, object, name) })
	}
}

// drop ends the object's watches but those to keep. The lock is held.
func (w *Watches) drop(object types.NamespacedName, keep []string) {
	for name, cancel := range w.follows[object] {
		if !slices.Contains(keep, name) {
			cancel()
			delete(w.follows[object], name)
		}
	}
	if len(w.follows[object]) == 0 {
		delete(w.follows, object)
	}
}

// run watches one object until ctx is done.
func (w *Watches) run(ctx context.Context, object types.NamespacedName, name string) {
	wait := firstWait
	for ctx.Err() == nil {
		begin := time.Now()
		err := w.watch(ctx, object, name)
		if time.Since(begin) > time.Minute {
			wait = firstWait
		}
		if err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).Error(err, "watch an object", "kind", w.kind.Kind, "namespace", object.Namespace, "name", name, "again", wait.String())
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, lastWait)
	}
}

// watch is one request. It begins with the object as the API server's cache has it, if there is one, and whatever is newer
// follows. Asked for the latest instead, an API server on an etcd before 3.5 waits in vain for its cache to be up to date, and
// then refuses.
func (w *Watches) watch(ctx context.Context, object types.NamespacedName, name string) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(w.kind.GroupVersion().WithKind(w.kind.Kind + "List"))
	events, err := w.client.Watch(ctx, list, client.InNamespace(object.Namespace), client.MatchingFields{metav1.ObjectNameField: name},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}})
	if err != nil {
		return err
	}
	defer events.Stop()
	w.queue.Add(ctrl.Request{NamespacedName: object})
	for event := range events.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		w.queue.Add(ctrl.Request{NamespacedName: object})
	}
	return nil
}
