package lagmetrics_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

func objects(t *testing.T) client.Client {
	t.Helper()
	s := runtime.NewScheme()
	require.NoError(t, errors.Join(v1alpha1.AddToScheme(s), corev1.AddToScheme(s)))
	replicas, target := int32(2), int32(250)
	all := []client.Object{
		&v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "demo", UID: "1"}},
		&v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "other", UID: "2"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "demo-internal"}, Data: map[string][]byte{"credential": []byte("secret\n")}},
	}
	for name, autoscaling := range map[string]*v1alpha1.Autoscaling{"scaled": {LagTargetMilliseconds: &target, MaxReplicas: 9}, "by-hand": nil} {
		all = append(all, &v1alpha1.WorkerPool{
			ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name},
			Spec: v1alpha1.WorkerPoolSpec{
				HomeserverRef: v1alpha1.LocalReference{Name: "demo"}, Roles: []v1alpha1.Role{v1alpha1.RolePersister}, Replicas: &replicas, Autoscaling: autoscaling,
			},
		})
	}
	return fake.NewClientBuilder().WithScheme(s).WithObjects(all...).Build()
}

// persisters are two workers of a pool, of which one has work that waits.
func persisters(pool string) admin.Status {
	worker := func(pod string, waits time.Duration) admin.Worker {
		return admin.Worker{
			Pod: pod, Pool: pool, State: admin.StateLive, AgeMS: time.Hour.Milliseconds(), ExpiresInMS: 1000,
			Lag: lag.Reading{lag.Persister: lag.Sharded([]time.Duration{waits, waits})},
		}
	}
	return admin.Status{Workers: []admin.Worker{worker("a", 300*time.Millisecond), worker("b", 0)}}
}

func asked(status admin.Status, err error) dataplane.Asker {
	return func(context.Context, types.NamespacedName, string) (admin.Status, error) { return status, err }
}

func TestTheLagIsWhatTheWorkersTellForTheTarget(t *testing.T) {
	t.Parallel()
	c := objects(t)
	ask := func(_ context.Context, hs types.NamespacedName, credential string) (admin.Status, error) {
		require.Equal(t, types.NamespacedName{Namespace: "a", Name: "demo"}, hs)
		require.Equal(t, "secret", credential)
		return persisters("scaled"), nil
	}
	begun := time.Now()
	answer, err := lagmetrics.New(c, c, ask).Lag(t.Context(), lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "scaled"})
	require.NoError(t, err)
	require.Equal(t, 300*time.Millisecond, answer.Total, "a mean of 150ms times two replicas")
	require.Equal(t, 250*time.Millisecond, answer.Target, "the pool's own")
	require.False(t, answer.At.Before(begun))

	answer, err = lagmetrics.New(c, c, asked(persisters("by-hand"), nil)).Lag(t.Context(),
		lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "by-hand", Target: time.Second})
	require.NoError(t, err)
	require.Equal(t, time.Second, answer.Target, "the one asked for")
}

func TestWhatHasNoAnswerIsAnErrorThatSaysWhy(t *testing.T) {
	t.Parallel()
	c := objects(t)
	away := errors.New("connection refused")
	overdue := persisters("scaled")
	overdue.Workers[1].ExpiresInMS = -1
	silent := persisters("scaled")
	silent.Workers[0].Lag = nil
	demo := lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "scaled"}
	for name, test := range map[string]struct {
		question lagmetrics.Question
		told     admin.Status
		err      error
		is       error
		says     string
	}{
		"no homeserver named":            {lagmetrics.Question{Namespace: "a", Pool: "scaled"}, admin.Status{}, nil, lagmetrics.ErrInvalid, "names no homeserver"},
		"no pool named":                  {lagmetrics.Question{Namespace: "a", Homeserver: "demo"}, admin.Status{}, nil, lagmetrics.ErrInvalid, "names no pool"},
		"another namespace":              {lagmetrics.Question{Namespace: "b", Homeserver: "demo", Pool: "scaled"}, admin.Status{}, nil, lagmetrics.ErrMissing, "namespace b has no Homeserver demo"},
		"no such pool":                   {lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "x"}, admin.Status{}, nil, lagmetrics.ErrMissing, "has no WorkerPool x"},
		"a pool of another homeserver":   {lagmetrics.Question{Namespace: "a", Homeserver: "other", Pool: "scaled"}, admin.Status{}, nil, lagmetrics.ErrMissing, "is of the Homeserver demo, not of other"},
		"a pool without target":          {lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "by-hand"}, admin.Status{}, nil, lagmetrics.ErrInvalid, "has no spec.autoscaling.lagTargetMilliseconds"},
		"a target that is none":          {lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "scaled", Target: -1}, admin.Status{}, nil, lagmetrics.ErrInvalid, "between 10ms and 10m0s"},
		"the data plane is away":         {demo, admin.Status{}, away, lag.ErrUnknown, "connection refused"},
		"no workers":                     {demo, admin.Status{}, nil, lag.ErrUnknown, "no worker"},
		"a heartbeat is overdue":         {demo, overdue, nil, lag.ErrUnknown, "heartbeat of worker b"},
		"one worker tells nothing":       {demo, silent, nil, lag.ErrUnknown, "worker a tells no lag"},
		"workers of another pool answer": {demo, persisters("by-hand"), nil, lag.ErrUnknown, "no worker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := lagmetrics.New(c, c, asked(test.told, test.err)).Lag(t.Context(), test.question)
			require.ErrorIs(t, err, test.is)
			require.ErrorContains(t, err, test.says)
			require.Zero(t, answer)
		})
	}
}

func TestALostCredentialIsAnUnknownLag(t *testing.T) {
	t.Parallel()
	c := objects(t)
	require.NoError(t, c.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "demo-internal"}}))
	_, err := lagmetrics.New(c, c, asked(persisters("scaled"), nil)).Lag(t.Context(), lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "scaled"})
	require.ErrorIs(t, err, lag.ErrUnknown)
	require.ErrorContains(t, err, "demo-internal")
}

func TestAnAnswerIsSharedForASecondAndNoLonger(t *testing.T) {
	t.Parallel()
	c := objects(t)
	synctest.Test(t, func(t *testing.T) {
		var count int
		r := lagmetrics.New(c, c, func(context.Context, types.NamespacedName, string) (admin.Status, error) {
			count++
			return persisters("scaled"), nil
		})
		q := lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "scaled"}
		first, err := r.Lag(t.Context(), q)
		require.NoError(t, err)
		<-time.After(time.Second - 1)
		again, err := r.Lag(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, 1, count)
		require.Equal(t, first.At, again.At, "it says how old it is")
		<-time.After(1)
		later, err := r.Lag(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, 2, count)
		require.Equal(t, first.At.Add(time.Second), later.At)
	})
}

// Homeservers that do not answer cannot take all there is.
func TestSoManyHomeserversAreAskedAtATime(t *testing.T) {
	t.Parallel()
	c := objects(t)
	const homeservers = 40
	for i := range homeservers {
		name := fmt.Sprintf("hs%d", i)
		require.NoError(t, errors.Join(
			c.Create(t.Context(), &v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: name, UID: types.UID(name)}}),
			c.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: name + "-internal"}}),
			c.Create(t.Context(), &v1alpha1.WorkerPool{
				ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: name}, Spec: v1alpha1.WorkerPoolSpec{HomeserverRef: v1alpha1.LocalReference{Name: name}},
			}),
		))
	}
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Int64
		r := lagmetrics.New(c, c, func(ctx context.Context, _ types.NamespacedName, _ string) (admin.Status, error) {
			now.Add(1)
			defer now.Add(-1)
			<-ctx.Done()
			return admin.Status{}, ctx.Err()
		})
		begun := time.Now()
		var all sync.WaitGroup
		for i := range homeservers {
			all.Go(func() {
				name := fmt.Sprintf("hs%d", i)
				_, err := r.Lag(t.Context(), lagmetrics.Question{Namespace: "b", Homeserver: name, Pool: name, Target: time.Second})
				require.ErrorIs(t, err, lag.ErrUnknown)
			})
		}
		synctest.Wait()
		require.Equal(t, int64(32), now.Load())
		all.Wait()
		require.Equal(t, dataplane.Timeout, time.Since(begun), "nobody waits longer for a place than for an answer")
	})
}

// However many ask, and whoever of them goes away, a homeserver is asked once at a time, and not for longer than the limit.
func TestOneQuestionIsOnItsWayForAllWhoAsk(t *testing.T) {
	t.Parallel()
	c := objects(t)
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		r := lagmetrics.New(c, c, func(ctx context.Context, _ types.NamespacedName, _ string) (admin.Status, error) {
			count.Add(1)
			<-ctx.Done() // nobody answers
			return admin.Status{}, ctx.Err()
		})
		q := lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "scaled"}
		leaves, leave := context.WithCancel(t.Context())
		begun := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := r.Lag(leaves, q)
			require.Error(t, err)
		})
		synctest.Wait()
		for range 50 {
			all.Go(func() {
				_, err := r.Lag(t.Context(), q)
				require.ErrorIs(t, err, lag.ErrUnknown)
			})
		}
		<-time.After(2 * time.Second)
		leave()
		all.Wait()
		require.Equal(t, int64(1), count.Load(), "also those who came a second and more after the first")
		require.Equal(t, dataplane.Timeout, time.Since(begun))
	})
}
