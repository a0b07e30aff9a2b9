package namedwatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// server is an API server that can do nothing but watch. Its clock is the test's.
type server struct {
	client.WithWatch

	mu     sync.Mutex
	begun  time.Time
	err    error
	asked  []string                              // what was asked for, in turn, with the time since the test began
	open   map[string]*watch.RaceFreeFakeWatcher // by namespace/name
	closed []string
}

func (s *server) Watch(ctx context.Context, of client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind := of.GetObjectKind().GroupVersionKind(); kind != corev1.SchemeGroupVersion.WithKind("SecretList") {
		return nil, fmt.Errorf("a watch of %s", kind)
	}
	list := (&client.ListOptions{}).ApplyOptions(options)
	name, exact := list.FieldSelector.RequiresExactMatch(metav1.ObjectNameField)
	if !exact {
		return nil, errors.New("a watch of all Secrets")
	}
	if list.Raw == nil || list.Raw.ResourceVersion != "0" {
		return nil, errors.New("too large resource version")
	}
	name = list.Namespace + "/" + name
	s.asked = append(s.asked, name+" "+time.Since(s.begun).String())
	if s.err != nil {
		return nil, s.err
	}
	w := watch.NewRaceFreeFake()
	s.open[name] = w
	context.AfterFunc(ctx, func() {
		w.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = append(s.closed, name)
	})
	return w, nil
}

// start is a running source, with the queue that it fills.
func start(t *testing.T, s *server) (*Watches, workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	t.Helper()
	s.begun, s.open = time.Now(), map[string]*watch.RaceFreeFakeWatcher{}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[ctrl.Request]())
	ctx, cancel := context.WithCancel(t.Context())
	w := New(s, corev1.SchemeGroupVersion.WithKind("Secret"))
	require.NoError(t, w.Source().Start(ctx, queue))
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		queue.ShutDown()
	})
	return w, queue
}

var demo = types.NamespacedName{Namespace: "chat", Name: "demo"}

// queued takes what is in the queue.
func queued(t *testing.T, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) []string {
	t.Helper()
	synctest.Wait()
	var all []string
	for queue.Len() > 0 {
		r, _ := queue.Get()
		queue.Done(r)
		all = append(all, r.String())
	}
	return all
}

func TestEachChangeOfWhatIsFollowedQueuesTheObject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		w, queue := start(t, s)
		w.Follow(demo, "db")
		require.Equal(t, []string{"chat/demo"}, queued(t, queue), "the watch begins")
		require.Empty(t, queued(t, queue))
		secret := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "db"}}
		for _, change := range []func(){
			func() { s.open["chat/db"].Add(secret) }, func() { s.open["chat/db"].Modify(secret) }, func() { s.open["chat/db"].Delete(secret) },
		} {
			change()
			require.Equal(t, []string{"chat/demo"}, queued(t, queue))
		}
	})
}

func TestAWatchThatEndsIsBegunAnewAndQueuesTheObject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		w, queue := start(t, s)
		w.Follow(demo, "db")
		require.Equal(t, []string{"chat/demo"}, queued(t, queue))
		<-time.After(30 * time.Minute)
		s.open["chat/db"].Stop()
		require.Empty(t, queued(t, queue))
		<-time.After(firstWait + 1)
		require.Equal(t, []string{"chat/demo"}, queued(t, queue), "what happened in between is not known")
		require.Equal(t, []string{"chat/db 0s", "chat/db 30m5s"}, s.asked)
	})
}

func TestAWatchThatFailsIsTriedAgainLessAndLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{err: errors.New("forbidden")}
		w, queue := start(t, s)
		w.Follow(demo, "db")
		<-time.After(20 * time.Minute)
		require.Empty(t, queued(t, queue))
		require.Equal(t, []string{
			"chat/db 0s", "chat/db 5s", "chat/db 15s", "chat/db 35s", "chat/db 1m15s", "chat/db 2m35s", "chat/db 5m15s",
			"chat/db 10m15s", "chat/db 15m15s",
		}, s.asked)
	})
}

func TestWhatIsFollowedNoLongerIsNotWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		w, queue := start(t, s)
		w.Follow(demo, "db", "cache")
		w.Follow(types.NamespacedName{Namespace: "chat", Name: "other"}, "db")
		queued(t, queue)
		w.Follow(demo, "cache", "key")
		queued(t, queue)
		require.Len(t, s.asked, 4, "those that stay are not begun anew")
		require.Equal(t, []string{"chat/db"}, s.closed)
		w.Follow(demo)
		queued(t, queue)
		require.ElementsMatch(t, []string{"chat/db", "chat/cache", "chat/key"}, s.closed)
		require.Len(t, w.follows, 1, "nothing is kept of what is followed no longer")
	})
}

func TestNothingIsWatchedAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		w := New(s, corev1.SchemeGroupVersion.WithKind("Secret"))
		w.Follow(demo, "db")
		require.Empty(t, w.follows, "the source has not begun")
		ctx, cancel := context.WithCancel(t.Context())
		s.open = map[string]*watch.RaceFreeFakeWatcher{}
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[ctrl.Request]())
		defer queue.ShutDown()
		require.NoError(t, w.Source().Start(ctx, queue))
		w.Follow(demo, "db")
		cancel()
		require.NoError(t, w.Start(ctx))
		w.Follow(demo, "cache")
		require.Empty(t, w.follows)
	})
}
