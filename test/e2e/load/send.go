package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/test/e2e/history"
)

// Send sends at the configured rate until ctx ends, then waits for what is under way. It is open-loop: a message that
// is due while the voice's last one is under way is sent as soon as that is answered.
func (l *Load) Send(ctx context.Context) error { return l.SendAt(ctx, l.cfg.Rate) }

// SendAt is Send at a rate of its own, in messages a second. Several may run at once: their rates add up.
func (l *Load) SendAt(ctx context.Context, rate float64) error {
	var voices []*voice
	for n := 0; ; n++ { // every room's first, then every room's second
		before := len(voices)
		for _, r := range l.rooms {
			if n < len(r.voices) {
				voices = append(voices, r.voices[n])
			}
		}
		if len(voices) == before {
			break
		}
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			v := voices[i%len(voices)]
			if v.behind.Add(1) > 1 {
				continue // whoever sends now goes on
			}
			wg.Go(func() {
				for {
					_ = l.send(context.WithoutCancel(ctx), v)
					if v.behind.Add(-1) == 0 || ctx.Err() != nil {
						v.behind.Store(0)
						return
					}
				}
			})
		}
	}
}

// SendOne sends the next message of the room's creator and records its outcome.
func (l *Load) SendOne(ctx context.Context, id string) error {
	for _, r := range l.rooms {
		if r.id == id {
			return l.send(ctx, r.voices[0])
		}
	}
	return fmt.Errorf("no room %s", id)
}

func (l *Load) send(ctx context.Context, v *voice) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq++
	s := history.Sent{Room: v.room, Sender: v.client.UserID, Seq: v.seq, Called: time.Now()}
	s.Key = fmt.Sprintf("%s/%s/%s/%d", l.cfg.Run, v.room, v.client.UserID, v.seq)
	s.Sets = v.creator && l.cfg.StateEvery > 0 && v.seq%l.cfg.StateEvery == 0
	var err error
	if s.Sets {
		// Not again: without a transaction id it may be set twice.
		s.EventID, err = v.client.SetTopic(ctx, v.room, s.Key)
	} else {
		s.EventID, err = l.sendUntil(ctx, v, s)
	}
	s.Answered = time.Now()
	if err == nil {
		l.observe(s.Answered.Sub(s.Called))
	}
	l.History.Sent(s)
	l.refused(s, err)
	if s.Sets && len(l.receivers) > 0 {
		l.readTopic(ctx, v.room)
	}
	return err
}

// sendUntil sends a message, and again under its transaction id while that fails as it may not.
func (l *Load) sendUntil(ctx context.Context, v *voice, s history.Sent) (string, error) {
	for {
		id, err := v.client.Send(ctx, v.room, s.Key)
		if err == nil || matrix.Refused(err) || time.Since(s.Called) >= l.cfg.Retry {
			return id, err
		}
		select {
		case <-ctx.Done():
			return id, err
		case <-time.After(retryAfter):
		}
	}
}

// refused notes a write that was refused although its sender may do it.
func (l *Load) refused(s history.Sent, err error) {
	if matrix.Refused(err) {
		l.mu.Lock()
		l.refusals = append(l.refusals, fmt.Sprintf("%s was refused: %v", s.Key, err))
		l.mu.Unlock()
	}
}

// Refused lists the writes that were refused; there is no reason to refuse any.
func (l *Load) Refused() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.refusals)
}

func (l *Load) readTopic(ctx context.Context, room string) {
	reader := l.receivers[0]
	r := history.Read{Room: room, Reader: reader.UserID + " in " + room, Called: time.Now()}
	key, err := reader.Topic(ctx, room)
	if err != nil {
		return // counted as failed
	}
	r.Key, r.Answered = key, time.Now()
	l.History.Read(r)
}

// Settle waits until every acknowledged message reached every receiver, or no more arrive for patience.
func (l *Load) Settle(ctx context.Context, patience time.Duration) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last, since := -1, time.Now()
	for {
		left := l.History.Outstanding()
		if left == 0 || left == last && time.Since(since) > patience {
			return
		}
		if left != last {
			last, since = left, time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
