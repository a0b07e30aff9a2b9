package plan

import (
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// ContractSeen is what a contraction is decided from.
type ContractSeen struct {
	// Image that the Homeserver names. Recorded is the database in the status, nil before the first migration.
	Image    string
	Recorded *v1alpha1.DatabaseStatus
	// Verified: the database is expanded for the image. RolledOut: all pods have it.
	Verified, RolledOut bool
	// Newest attempt, nil if there is none.
	Newest *Attempt
	Now    time.Time
}

// ContractDecision says what to do about what only workers of older versions need.
type ContractDecision struct {
	// Start the Job with this number; 0: none.
	Start int
	// Done: write into the status that the database is contracted for the image.
	Done bool
	// Failed says why it is not, and what to do; empty: nothing is wrong.
	Failed string
	// After is when to look again; 0: when something changes.
	After time.Duration
}

// Contract decides whether the database is to be contracted. That is the last step of an upgrade, after every pod has the
// image. Workers may live longer than pods are seen: the Job looks for older ones again in the database, in the transaction in
// which it removes something, and fails while there is one. Nothing waits for it.
func Contract(in ContractSeen) ContractDecision {
	if !in.Verified || !in.RolledOut || in.Recorded == nil || in.Recorded.ContractedImage == in.Image {
		return ContractDecision{}
	}
	a := in.Newest
	switch {
	case a == nil:
		return ContractDecision{Start: 1, After: watchRunning}
	case !a.Finished && a.Outdated && a.Waiting != "":
		return ContractDecision{Start: a.Number + 1, After: watchRunning}
	case !a.Finished:
		return ContractDecision{After: watchRunning, Failed: unlessEmpty("its Job does not start; mend spec.migration: ", a.Waiting)}
	case a.Succeeded:
		return ContractDecision{Done: true}
	}
	why := "the pod, which knew why, is gone"
	if a.Result != nil && a.Result.Message != "" {
		why = a.Result.Message
	}
	d := ContractDecision{Failed: fmt.Sprintf("attempt %d failed; wait, or look at the logs of the Job's pod: %s", a.Number, why)}
	if wait := a.wait(in.Now); wait > 0 {
		d.After = wait
		return d
	}
	d.Start, d.After = a.Number+1, watchRunning
	return d
}

func unlessEmpty(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// With adds to the verdict about the database what a contraction says.
func (d ContractDecision) With(v Verdict) Verdict {
	if d.Failed != "" {
		v.Message += " What only older versions need could not be removed: " + sentence(d.Failed)
	}
	return v
}

// WhilePaused is the decision without its Job.
func (d ContractDecision) WhilePaused() ContractDecision {
	if d.Start > 0 {
		d.Start, d.After = 0, 0
	}
	return d
}
