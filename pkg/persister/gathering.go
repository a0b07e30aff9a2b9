package persister

import "time"

// Bounds of a gathering.
const (
	gatherFactor = 5 // times what a commit took
	maxGather    = 25 * time.Millisecond
	gatherCredit = 100 * time.Millisecond
	gatherEnough = 64 // writes: beside them what every block costs, however small it is, is little
)

// A gathering is for how long the collecting block stays although the committer is idle. What a block costs Postgres
// however small it is (a transaction, its fence, a flush of the log) comes to several times the cost of an event, so a lane
// that commits again and again as soon as it has committed uses up, for blocks of two or three, the processors that everybody
// waits for. So each commit puts off those that follow by five times what it took, at most by 25 ms, and there is credit for
// 100 ms: while a lane commits for a fifth of the time, or forty times a second, its blocks wait for nothing. Where more
// comes they do, by 25 ms at most, and grow.
//
// Nor do they wait for nobody. Those who have just been answered may have more to say; once the block has as many writes as
// that was, with those that came meanwhile, it goes: who sends one message after the other, and is alone, never waits.
type gathering struct {
	spent  time.Time        // until when the lane has used up its share of time
	writes int              // with so many the block goes
	until  <-chan time.Time // nil: it goes
}

// begin is to be called when so many writes have been answered, after a commit that took so long, while so many collected.
func (g *gathering) begin(now time.Time, answered, collected int, took time.Duration) {
	if g.spent.Before(now) {
		g.spent = now
	}
	g.spent = g.spent.Add(min(gatherFactor*took, maxGather))
	if most := now.Add(gatherCredit + maxGather); g.spent.After(most) {
		g.spent = most
	}
	g.writes, g.until = min(answered+collected, gatherEnough), nil
	if wait := g.spent.Sub(now) - gatherCredit; wait > 0 && g.writes > 1 {
		g.until = time.After(wait)
	}
}

// end lets the block go, or has let it go.
func (g *gathering) end() { g.until = nil }

// goes reports whether the collecting block is to be handed to the committer, if that is idle. It does not stay when it is
// full, nor when another worker waits for it: to own a shard of its rooms, or for copies of them.
func (l *lane) goes() bool {
	b, g := l.collecting, &l.gathering
	switch {
	case len(b.writes) == 0:
		return false
	case g.until == nil, len(b.writes) >= g.writes:
		return true
	default:
		return b.full(l.maxWrites) || len(l.ready) > 0 || len(l.quiescing) > 0 || len(b.copies) > 0
	}
}
