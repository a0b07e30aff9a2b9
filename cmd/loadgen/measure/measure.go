// Package measure counts requests and what they took, by kind. Times are kept in histograms of three digits, so that the
// slowest of a million are told as exactly as the usual.
package measure

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Longest is the longest time that is told apart; what takes longer counts as that.
const Longest = 10 * time.Minute

// maxReasons bounds the reasons that are told apart of each kind; further ones count as "other".
const maxReasons = 20

// A Recorder counts. Its methods are safe for concurrent use; a nil one forgets.
type Recorder struct {
	mu    sync.Mutex
	kinds map[string]*kind
	order []string
}

type kind struct {
	took    *hdrhistogram.Histogram // microseconds
	failed  int
	reasons map[string]int
}

// New returns a recorder that knows these kinds, in the order in which they are reported; others follow them.
func New(kinds ...string) *Recorder {
	r := &Recorder{kinds: map[string]*kind{}}
	for _, name := range kinds {
		r.kind(name)
	}
	return r
}

func (r *Recorder) kind(name string) *kind {
	k, known := r.kinds[name]
	if !known {
		k = &kind{took: hdrhistogram.New(1, Longest.Microseconds(), 3), reasons: map[string]int{}}
		r.kinds[name], r.order = k, append(r.order, name)
	}
	return k
}

// OK counts a request that was answered, and what it took.
func (r *Recorder) OK(name string, took time.Duration) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.kind(name).took.RecordValue(min(max(took, time.Microsecond), Longest).Microseconds()) // it is within the bounds
}

// Failed counts a request that failed, or was never made, and why, in a few words.
func (r *Recorder) Failed(name, reason string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kind(name)
	k.failed++
	if _, known := k.reasons[reason]; !known && len(k.reasons) >= maxReasons {
		reason = "other"
	}
	k.reasons[reason]++
}

// A Row is what was counted of a kind. Times are milliseconds, of the requests that were answered.
type Row struct {
	Kind    string         `json:"kind"`
	OK      int            `json:"ok"`
	Failed  int            `json:"failed"`
	Rate    float64        `json:"rate"` // answered, a second
	P50     float64        `json:"p50_ms"`
	P90     float64        `json:"p90_ms"`
	P99     float64        `json:"p99_ms"`
	P999    float64        `json:"p99.9_ms"`
	Max     float64        `json:"max_ms"`
	Reasons map[string]int `json:"reasons,omitempty"` // why requests failed, and how many each
}

// Rows returns what was counted during so long.
func (r *Recorder) Rows(during time.Duration) []Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := make([]Row, 0, len(r.order))
	for _, name := range r.order {
		k := r.kinds[name]
		at := func(percentile float64) float64 { return float64(k.took.ValueAtPercentile(percentile)) / 1000 }
		row := Row{Kind: name, OK: int(k.took.TotalCount()), Failed: k.failed}
		if row.OK > 0 {
			row.P50, row.P90, row.P99, row.P999, row.Max = at(50), at(90), at(99), at(99.9), float64(k.took.Max())/1000
		}
		if during > 0 {
			row.Rate = float64(row.OK) / during.Seconds()
		}
		for reason, n := range k.reasons {
			if row.Reasons == nil {
				row.Reasons = map[string]int{}
			}
			row.Reasons[reason] = n
		}
		rows = append(rows, row)
	}
	return rows
}

// Find returns the row of a kind.
func Find(rows []Row, kind string) (Row, bool) {
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Kind == kind })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}
