package delivery

import "slices"

// A Verdict says what was wrong.
type Verdict struct {
	Acknowledged int   `json:"acknowledged"` // messages
	Delivered    int   `json:"delivered"`    // times that a listener got one of them
	Lost         Fault `json:"lost"`         // acknowledged messages that some listener never got
	Repeated     Fault `json:"repeated"`     // shown to a listener twice, or as two events
	Reordered    Fault `json:"reordered"`    // shown in another order than to others, or than they were acknowledged in
	Invented     Fault `json:"invented"`     // shown, and never sent, or refused
}

// A Fault is one sort of violation.
type Fault struct {
	Count     int      `json:"count"`
	Sentences []string `json:"sentences,omitempty"` // of the first few
}

// OK reports whether nothing was wrong.
func (v Verdict) OK() bool {
	return v.Lost.Count+v.Repeated.Count+v.Reordered.Count+v.Invented.Count == 0
}

// Sentences returns what is told of the violations.
func (v Verdict) Sentences() []string {
	return slices.Concat(v.Lost.Sentences, v.Repeated.Sentences, v.Reordered.Sentences, v.Invented.Sentences)
}

func (v Verdict) clone() Verdict {
	for _, f := range []*Fault{&v.Lost, &v.Repeated, &v.Reordered, &v.Invented} {
		f.Sentences = slices.Clone(f.Sentences)
	}
	return v
}
