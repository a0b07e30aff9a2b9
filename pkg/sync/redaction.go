package sync

import "github.com/myelin-hs/myelin/pkg/event"

// isRedaction reports whether the entry redacts another event. The owner of a room lets no redaction into it that does
// not apply.
func (e *entry) isRedaction() bool {
	return e.Type() == "m.room.redaction" && !e.IsState() && e.Redacts() != ""
}

// redacted returns what a redaction leaves of the entry: a new one, since requests may be showing the old one now. The
// redaction is of the event, or of the one that redacted it, whose reason is shown with it.
func (e *entry) redacted(by *entry) *entry {
	x := *e
	target := &x.Event
	if e.because != nil {
		target = &x.because
	}
	left, err := event.Redacted(*target)
	if err != nil {
		return e // an event that was read once can be read again
	}
	*target = left
	if e.because != nil {
		x.becauseRedacted = true
	} else {
		x.because = by.Event
	}
	return &x
}

// redact applies a redaction to all that the history knows of its target: in the run, as state, as what another event
// took the place of, and as why others are redacted. Postgres gave what it was applied to already as it left it.
func (h *history) redact(by *entry) {
	if target := h.redactInRun(by); target != nil && !target.isRedaction() {
		return
	}
	for k, e := range h.state {
		if by.hits(e) {
			h.state[k] = e.redacted(by)
			h.byJoin = nil
		}
	}
}

// redactInRun returns the target as it was, nil if the run has none that is not redacted yet.
func (h *history) redactInRun(by *entry) (target *entry) {
	for i := range h.run {
		if e := h.run[i]; by.hits(e) {
			if e.ID() == by.Redacts() {
				target = e
			}
			h.swap(i, e.redacted(by))
		}
		if old := h.run[i].replaced; by.hits(old) {
			if old.ID() == by.Redacts() {
				target = old
			}
			x := *h.run[i]
			x.replace(old.redacted(by))
			h.swap(i, &x)
		}
	}
	return target
}

// hits reports whether the redaction e is of target, which is not redacted yet, or of what redacted it.
func (e *entry) hits(target *entry) bool {
	switch {
	case target == nil:
		return false
	case target.because == nil:
		return target.ID() == e.Redacts()
	}
	return target.because.ID() == e.Redacts() && !target.becauseRedacted
}

// swap puts an entry in the place of another version of it: in the run, in what followed it, and in the state.
func (h *history) swap(i int, x *entry) {
	old := h.run[i]
	h.run[i] = x
	h.bytes += x.size() - old.size()
	k, isState := x.stateKey()
	if !isState {
		return
	}
	if h.state[k] == old {
		h.state[k] = x
		h.byJoin = nil
	}
	for j := i + 1; j < len(h.run); j++ {
		if h.run[j].replaced == old {
			next := *h.run[j]
			next.replace(x)
			h.swap(j, &next)
			return
		}
	}
}

// redactAgain applies the redactions of the run to what was read after them.
func (h *history) redactAgain() {
	for _, e := range h.run {
		if e.isRedaction() {
			h.redactInRun(e)
		}
	}
}
