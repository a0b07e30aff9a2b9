package sync

import "github.com/myelin-hs/myelin/pkg/event"

// isRedaction reports whether the entry redacts another event. The owner of a room lets no redaction into it that does
// not apply.
func (e *entry) isRedaction() bool {
	return e.Type() == "m.room.redaction" && !e.IsState() && e.Redacts() != ""
}

// redacted returns what a redaction leaves of the entry: a new one, since requests may be showing the old one now.
func (e *entry) redacted(by *entry) *entry {
	left, err := event.Redacted(e.Event)
	if err != nil {
		return e // an event that was read once can be read again
	}
	x := *e
	x.Event, x.because = left, by.Event
	return &x
}

// redact applies a redaction to all that the history knows of its target: in the run, as state, and as what another
// event took the place of. Postgres gave what it was applied to already as it left it.
func (h *history) redact(by *entry) {
	if h.redactInRun(by) {
		return
	}
	for k, e := range h.state {
		if by.hits(e) {
			h.state[k] = e.redacted(by)
			h.byJoin = nil
			return
		}
	}
}

// redactInRun reports whether the target was in the run.
func (h *history) redactInRun(by *entry) bool {
	found := false
	for i := range h.run {
		if by.hits(h.run[i]) {
			h.swap(i, h.run[i].redacted(by))
			found = true
		}
		if by.hits(h.run[i].replaced) {
			x := *h.run[i]
			x.replace(x.replaced.redacted(by))
			h.swap(i, &x)
		}
	}
	return found
}

// hits reports whether the redaction e is of target, which is not redacted yet.
func (e *entry) hits(target *entry) bool {
	return target != nil && target.ID() == e.Redacts() && target.because == nil
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
