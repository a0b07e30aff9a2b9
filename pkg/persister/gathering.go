package persister

import "time"

// Bounds of a gathering.
const (
	gatherFactor = 4 // times what the last commit took
	maxGather    = 25 * time.Millisecond
	gatherEnough = 64 // writes: beside them what every block costs, however small it is, is little
)

// A gathering is for how long the collecting block stays although the committer is idle. What a block costs Postgres
// however small it is (a transaction, its fence, a flush of the log) comes to several times the cost of an event, so a lane
// that commits again as soon as it has committed uses up, for blocks of two or three, the processors that everybody waits
// for. So it waits for those whom it has just answered, who may have more to say, until it has as many writes as that block
// and what came meanwhile. It waits for four times as long as the commit took, so that under load a lane spends a fifth of
// its time on commits: where commits are fast, because nothing is short, nobody notices, and where they are slow blocks grow.
//
// A write that comes alone waits for nothing: after a block of one, the next one is all that the gathering is for.
type gathering struct {
	writes int
	until  <-chan time.Time // nil: it is over
}

// gather begins when so many writes have been answered, by a commit that took so long, and so many collected meanwhile.
func gather(answered, collected int, took time.Duration) gathering {
	g := gathering{writes: min(answered+collected, gatherEnough)}
	if g.writes > 1 {
		g.until = time.After(min(gatherFactor*took, maxGather))
	}
	return g
}

// goes reports whether the collecting block is to be handed to the committer, if that is idle. It stays neither when it
// takes no more nor when a shard is to be handed over, which waits for what is in the block.
func (l *lane) goes() bool {
	writes := len(l.collecting.writes)
	return writes > 0 && (l.gathering.until == nil || writes >= l.gathering.writes || len(l.ready) > 0 || len(l.quiescing) > 0)
}
