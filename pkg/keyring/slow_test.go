package keyring

import (
	"testing"
	"time"
)

func TestANotaryGivesWhatItKnowsOfASlowServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
	answer := make(chan struct{})
	w.change(func() {
		p.until = start.Add(3 * day)
		p.answer = func(honest []byte) (int, []byte) { <-answer; return 200, honest }
	})
	w.clock.add(day)
	w.patience = time.Millisecond
	w.notarized(remote, map[string]int64{allKeys: 0}, start.Add(day))
	close(answer)
	w.want(w.Verifier, p.keys[0], ForEvent, start.Add(3*day), nil)
	w.notarized(remote, map[string]int64{allKeys: 0}, start.Add(3*day))
}

func TestAWorkerWhoseClockIsFastDoesNotFreezeTheKeysOfAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	now, stolen := time.Now(), p.keys[0]
	p.until = now.Add(400 * day)
	w.clock.ms.Store(ms(now.Add(365 * day)))
	w.want(w.Verifier, stolen, ForRequest, time.Time{}, nil)

	w.clock.ms.Store(ms(now))
	w.change(func() {
		p.keys, p.until = []*Key{newKey(t, remote)}, now.Add(day)
		p.old[stolen.KeyID()] = oldVerifyKey{encode(stolen), ms(now.Add(-day))}
	})
	other := w.another()
	w.want(other, p.keys[0], ForRequest, time.Time{}, nil)
	w.want(other, stolen, ForRequest, time.Time{}, ErrKeyNotValid)
}
