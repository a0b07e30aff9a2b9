package history

import "time"

// Forget treats events as if they had not been: those that a database lost whose standby is asynchronous, which is the
// price of that. Their requests count as not acknowledged, what was read of them as not read, if that was before the loss
// was complete: from then on nobody may be told of them. It returns how many were acknowledged.
func (h *History) Forget(events map[string]bool, complete time.Time) (acknowledged int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := map[string]bool{}
	for i, s := range h.sent {
		if events[s.EventID] && s.Answered.Before(complete) {
			acknowledged++
			keys[s.Key] = true
			h.sent[i].EventID = ""
		}
	}
	seen := h.seen[:0]
	for _, s := range h.seen {
		if events[s.EventID] && s.At.Before(complete) {
			keys[s.Key] = true
			continue
		}
		seen = append(seen, s)
	}
	h.seen = seen
	read := h.read[:0]
	for _, r := range h.read {
		if !keys[r.Key] || !r.Answered.Before(complete) {
			read = append(read, r)
		}
	}
	h.read = read
	return acknowledged
}
