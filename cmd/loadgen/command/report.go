package command

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
)

// A Report is what is printed.
type Report struct {
	Profile  string          `json:"profile"`
	Base     string          `json:"base"`
	Size     traffic.Size    `json:"size"`
	Mix      []traffic.Share `json:"mix"`
	Unserved []traffic.Share `json:"unserved,omitempty"`
	// Search is nil without --find-rate.
	Search *Search        `json:"search,omitempty"`
	Result traffic.Result `json:"result"` // of the one trial, or of the one that confirmed the rate, or the last
	// Error is why it ended early, "" if it did not.
	Error string `json:"error,omitempty"`
}

// A Search is what was tried for the greatest rate.
type Search struct {
	P99   float64 `json:"p99_bound_ms"`
	Found bool    `json:"found"`
	Rate  float64 `json:"rate"` // 0: none was found
	Tries []Try   `json:"tries"`
}

// A Try is a rate that was tried.
type Try struct {
	Rate   float64 `json:"rate"`
	P99    float64 `json:"p99_ms"`
	Failed int     `json:"failed"`
	Keeps  bool    `json:"keeps"`
}

// kept names the greatest rate that was tried and kept.
func (s *Search) kept() string {
	greatest := 0.0
	for _, t := range s.Tries {
		if t.Keeps {
			greatest = max(greatest, t.Rate)
		}
	}
	if greatest == 0 {
		return "none"
	}
	return fmt.Sprintf("%.4g requests a second", greatest)
}

// Exit codes.
const (
	exitOK, exitError, exitUsage, exitFailed, exitWrong, exitInterrupted = 0, 1, 2, 3, 4, 130
)

func (r Report) exit() int {
	switch {
	case !r.Result.Verdict.OK():
		return exitWrong
	case r.Error != "":
		return exitError
	case !r.Result.Complete:
		return exitInterrupted
	case r.Search != nil && !r.Search.Found, r.Result.Failed() > 0:
		return exitFailed
	default:
		return exitOK
	}
}

// write writes the report, for people or as JSON.
func (r Report) write(w io.Writer, asJSON bool) error {
	if !asJSON {
		r.print(w)
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// print writes the report for people.
func (r Report) print(w io.Writer) {
	fmt.Fprintf(w, "%s on %s: %d rooms, %d users, %d in each room and %d listeners\n", r.Profile, r.Base, r.Size.Rooms, r.Size.Users, r.Size.Members, r.Size.Listeners)
	if len(r.Mix) > 1 || len(r.Unserved) > 0 {
		fmt.Fprintf(w, "weights: %s\n", shares(r.Mix))
	}
	if len(r.Unserved) > 0 {
		fmt.Fprintf(w, "not served, and left out: %s\n", shares(r.Unserved))
	}
	fmt.Fprintf(w, "%.4g requests a second for %.1f s", r.Result.Rate, r.Result.Seconds)
	switch {
	case r.Error != "":
		fmt.Fprint(w, ", ended early")
	case !r.Result.Complete:
		fmt.Fprint(w, ", interrupted")
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "REQUEST\tOK\tFAILED\tPER SECOND\tP50 ms\tP90 ms\tP99 ms\tP99.9 ms\tMAX ms\t")
	for _, row := range r.Result.Rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", row.Kind, row.OK, row.Failed, row.Rate, row.P50, row.P90, row.P99, row.P999, row.Max)
	}
	t.Flush()
	for _, row := range r.Result.Rows {
		for _, reason := range sorted(row.Reasons) {
			fmt.Fprintf(w, "%d × %s failed: %s\n", row.Reasons[reason], row.Kind, reason)
		}
	}
	r.judge(w)
	if s := r.Search; s != nil && s.Found {
		fmt.Fprintf(w, "\nThe greatest rate that keeps p99 ≤ %g ms: %.4g requests a second.\n", s.P99, s.Rate)
	} else if s != nil && !r.Result.Complete {
		fmt.Fprintf(w, "\nThe search was not played to its end. The greatest rate that kept p99 ≤ %g ms until then: %s.\n", s.P99, s.kept())
	} else if s != nil {
		fmt.Fprintf(w, "\nNo rate was found that keeps p99 ≤ %g ms.\n", s.P99)
	}
}

// judge says what of the messages arrived.
func (r Report) judge(w io.Writer) {
	v := r.Result.Verdict
	if v.Acknowledged == 0 {
		return
	}
	if v.OK() && r.Result.Unjudged {
		fmt.Fprintf(w, "\n%d messages were acknowledged and delivered %d times until it ended: what is missing is not judged.\n", v.Acknowledged, v.Delivered)
		return
	}
	if v.OK() && v.Delivered == 0 {
		fmt.Fprintf(w, "\n%d messages were acknowledged; nobody listened.\n", v.Acknowledged)
		return
	}
	if v.OK() {
		fmt.Fprintf(w, "\n%d messages were acknowledged and delivered %d times: each once, and in order.\n", v.Acknowledged, v.Delivered)
		return
	}
	fmt.Fprintf(w, "\nWRONG: of %d messages that were acknowledged %d were lost, %d repeated, %d out of order; %d were never sent:\n",
		v.Acknowledged, v.Lost.Count, v.Repeated.Count, v.Reordered.Count, v.Invented.Count)
	for _, sentence := range v.Sentences() {
		fmt.Fprintln(w, " ", sentence)
	}
}

func shares(all []traffic.Share) string {
	var parts []string
	for _, s := range all {
		parts = append(parts, fmt.Sprintf("%s %d", s.Kind, s.Weight))
	}
	return strings.Join(parts, ", ")
}

func sorted(reasons map[string]int) []string {
	var all []string
	for reason := range reasons {
		all = append(all, reason)
	}
	slices.Sort(all)
	return all
}
