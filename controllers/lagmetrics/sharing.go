package lagmetrics

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/pkg/admin"
)

const (
	// fresh is for how long, from when workers were asked, their answer is given to others.
	fresh = time.Second
	// atOnce is how many homeservers are asked at a time. One that does not answer has a place for dataplane.Timeout.
	atOnce = 32
)

// sharing asks each homeserver at most once at a time, for all who want to know. The first to come asks; the others wait.
type sharing struct {
	ask    func(context.Context, *v1alpha1.Homeserver) (admin.Status, error)
	places chan struct{}

	mu  sync.Mutex
	all map[types.UID]*asked // as many as were asked within dataplane.Timeout and fresh, for each question sweeps
}

// asked is one question to a homeserver's workers, and its answer once done is closed.
type asked struct {
	at     time.Time
	done   chan struct{}
	status admin.Status
	err    error
}

func newSharing(ask func(context.Context, *v1alpha1.Homeserver) (admin.Status, error)) *sharing {
	return &sharing{ask: ask, places: make(chan struct{}, atOnce), all: map[types.UID]*asked{}}
}

// status is what the workers of a homeserver say, and when they were asked. A failure is shared as an answer is.
func (s *sharing) status(ctx context.Context, hs *v1alpha1.Homeserver) (admin.Status, time.Time, error) {
	a, mine := s.join(hs.UID)
	if mine {
		s.answer(ctx, a, hs)
	}
	select {
	case <-a.done:
		return a.status, a.at, a.err
	case <-ctx.Done():
		return admin.Status{}, time.Time{}, ctx.Err()
	}
}

// answer asks. Others wait for it, so it is not given up when the one who asks goes away.
func (s *sharing) answer(ctx context.Context, a *asked, hs *v1alpha1.Homeserver) {
	defer close(a.done)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dataplane.Timeout)
	defer cancel()
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
		a.status, a.err = s.ask(ctx, hs)
	case <-ctx.Done():
		a.err = fmt.Errorf("wait until one of %d other homeservers has answered: %w", atOnce, ctx.Err())
	}
}

// join finds the question that is on its way or was answered just now; else it makes one, which the caller is to ask.
func (s *sharing) join(homeserver types.UID) (a *asked, mine bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid, old := range s.all {
		select {
		case <-old.done:
			if now.Sub(old.at) >= fresh {
				delete(s.all, uid)
			}
		default:
		}
	}
	if a = s.all[homeserver]; a != nil {
		return a, false
	}
	a = &asked{at: now, done: make(chan struct{})}
	s.all[homeserver] = a
	return a, true
}
