package horizon

import "time"

const (
	minSpacing = 5 * time.Millisecond // between rounds, on average, however many pokes
	maxBurst   = 4                    // rounds that may follow each other at once after a quiet time
)

// A pace spaces rounds. Who sends a message in a quiet homeserver does not wait for it, nor does the next one; under load
// each round covers more blocks.
type pace struct {
	due time.Time // when the rounds until now would have taken place at even spacing
}

func (p *pace) begin(now time.Time) {
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(minSpacing)
}

// left returns how long the next round has to wait.
func (p *pace) left(now time.Time) time.Duration {
	return max(0, p.due.Add(-(maxBurst-1)*minSpacing).Sub(now))
}
