package history

import (
	"cmp"
	"fmt"
	"slices"
)

// Verdict lists the violations, each as a sentence.
type Verdict struct {
	Lost       []string // acknowledged, and not stored
	Duplicated []string // stored twice under one key
	Reordered  []string // stored, or shown to a reader, in another order
	Skipped    []string // stored, and never shown to a reader who listened throughout
	Repeated   []string // shown to a reader twice
	Invented   []string // shown to a reader, and not stored
	Unfenced   []string // written under a lease that was not the newest of its room
}

// Lists are the verdict's lists with their names, in a fixed order.
func (v Verdict) Lists() []struct {
	Name      string
	Sentences []string
} {
	return []struct {
		Name      string
		Sentences []string
	}{
		{"lost", v.Lost}, {"duplicated", v.Duplicated}, {"reordered", v.Reordered}, {"skipped", v.Skipped},
		{"repeated", v.Repeated}, {"invented", v.Invented}, {"unfenced", v.Unfenced},
	}
}

// OK reports whether there is no violation.
func (v Verdict) OK() bool {
	for _, l := range v.Lists() {
		if len(l.Sentences) > 0 {
			return false
		}
	}
	return true
}

// Check judges the history.
func (h *History) Check() Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	var v Verdict
	table := h.checkTable(&v)
	h.checkLeases(&v)
	h.checkSent(&v, table)
	h.checkSeen(&v, table)
	return v
}

// checkTable finds keys that were stored twice, and returns the table by event id.
func (h *History) checkTable(v *Verdict) map[string]Stored {
	byID, byKey := make(map[string]Stored, len(h.stored)), make(map[string]string, len(h.stored))
	for _, row := range h.stored {
		if first, twice := byKey[row.Key]; twice {
			v.Duplicated = append(v.Duplicated, fmt.Sprintf("%s is stored twice, as %s and %s", row.Key, first, row.EventID))
		}
		byKey[row.Key], byID[row.EventID] = row.EventID, row
	}
	return byID
}

// checkLeases goes through what each shard wrote to each room by position: an epoch never goes back, and has one owner.
func (h *History) checkLeases(v *Verdict) {
	rows := slices.Clone(h.stored)
	slices.SortFunc(rows, func(a, b Stored) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Position, b.Position))
	})
	for i := 1; i < len(rows); i++ {
		a, b := rows[i-1], rows[i]
		if a.Room == b.Room && a.Shard == b.Shard && (b.Epoch < a.Epoch || b.Epoch == a.Epoch && b.Owner != a.Owner) {
			v.Unfenced = append(v.Unfenced, fmt.Sprintf("%s was written by %d in epoch %d, after %s by %d in epoch %d", b.Key, b.Owner, b.Epoch, a.Key, a.Owner, a.Epoch))
		}
	}
}

// checkSent finds acknowledged events that are not stored, and senders whose events are stored in another order than they
// were acknowledged.
func (h *History) checkSent(v *Verdict, table map[string]Stored) {
	type chain struct{ room, sender string }
	chains := map[chain][]Sent{}
	for _, s := range h.sent {
		if s.EventID == "" {
			continue
		}
		if row, ok := table[s.EventID]; !ok || row.Key != s.Key {
			v.Lost = append(v.Lost, fmt.Sprintf("%s was acknowledged as %s, which is not stored", s.Key, s.EventID))
			continue
		}
		c := chain{s.Room, s.Sender}
		chains[c] = append(chains[c], s)
	}
	for c, sent := range chains {
		slices.SortFunc(sent, func(a, b Sent) int { return cmp.Compare(a.Seq, b.Seq) })
		for i := 1; i < len(sent); i++ {
			if table[sent[i-1].EventID].Position >= table[sent[i].EventID].Position {
				v.Reordered = append(v.Reordered, fmt.Sprintf("%s in %s: %s is stored after %s", c.sender, c.room, sent[i-1].Key, sent[i].Key))
			}
		}
	}
}

// checkSeen compares each receiver's view of each room with the table.
func (h *History) checkSeen(v *Verdict, table map[string]Stored) {
	type view struct{ receiver, room string }
	got := map[view]map[string]bool{}
	last := map[view]Stored{}
	for _, s := range h.seen {
		w := view{s.Receiver, s.Room}
		row, stored := table[s.EventID]
		if !stored {
			v.Invented = append(v.Invented, fmt.Sprintf("%s got %s (%s), which is not stored", s.Receiver, s.EventID, s.Key))
			continue
		}
		if got[w] == nil {
			got[w] = map[string]bool{}
		}
		if got[w][s.EventID] {
			v.Repeated = append(v.Repeated, fmt.Sprintf("%s got %s (%s) twice", s.Receiver, s.EventID, s.Key))
			continue
		}
		got[w][s.EventID] = true
		if before, any := last[w]; any && before.Position >= row.Position {
			v.Reordered = append(v.Reordered, fmt.Sprintf("%s got %s before %s in %s", s.Receiver, before.Key, row.Key, s.Room))
		}
		last[w] = row
	}
	for _, row := range h.stored {
		for _, r := range h.member[row.Room] {
			if !got[view{r, row.Room}][row.EventID] {
				v.Skipped = append(v.Skipped, fmt.Sprintf("%s never got %s (%s) of %s", r, row.EventID, row.Key, row.Room))
			}
		}
	}
}
