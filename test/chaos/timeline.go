package main

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"os"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/test/e2e/history"
)

// A mark is something that was done at a moment or, with an end, for a while.
type mark struct {
	what     string
	from, to time.Time
}

// Mark notes on the scenario's timeline what was done.
func (r *Run) Mark(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.marks = append(r.marks, mark{fmt.Sprintf(format, args...), now, now})
}

// Fault notes that something is broken until the function that it returns is called.
func (r *Run) Fault(format string, args ...any) (over func()) {
	r.Mark(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.marks) - 1
	return func() { r.mu.Lock(); r.marks[i].to = time.Now(); r.mu.Unlock() }
}

// drawTimeline writes a page with the scenario's faults above a row for each room: when its writes were under way, and
// which were not acknowledged.
func (r *Run) drawTimeline(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sends := r.Load.History.Sends()
	if len(sends) == 0 {
		return nil
	}
	slices.SortFunc(sends, func(a, b history.Sent) int { return cmp.Or(cmp.Compare(a.Room, b.Room), a.Called.Compare(b.Called)) })
	from, to := sends[0].Called, sends[0].Answered
	for _, s := range sends {
		if s.Called.Before(from) {
			from = s.Called
		}
		if s.Answered.After(to) {
			to = s.Answered
		}
	}
	const left, pixelsPerSecond, row = 420, 120, 12
	x := func(t time.Time) float64 { return left + t.Sub(from).Seconds()*pixelsPerSecond }
	rows := len(r.marks) + 2
	for i := range sends {
		if i == 0 || sends[i].Room != sends[i-1].Room {
			rows++
		}
	}
	fmt.Fprintf(f, `<!DOCTYPE html><title>%[1]s</title><svg xmlns="http://www.w3.org/2000/svg" width="%[2]g" height="%[3]d" font-family="monospace" font-size="10">`,
		html.EscapeString(r.String()), x(to)+200, rows*row+20)
	y := row
	for _, m := range r.marks {
		fmt.Fprintf(f, `<rect x="%g" y="0" width="%g" height="%d" fill="#c60" opacity="0.15"/>`, x(m.from), max(1, x(m.to)-x(m.from)), rows*row)
		label(f, y, fmt.Sprintf("%.3fs %s", m.from.Sub(from).Seconds(), m.what))
		y += row
	}
	if w := r.watch; w.standstill > 0 {
		label(f, y, fmt.Sprintf("P stands still for %.0f ms", ms(w.standstill)))
		bar(f, x(w.from), x(w.to), y, "#00c", "")
	}
	y += row
	for i, s := range sends {
		if i == 0 || s.Room != sends[i-1].Room {
			y += row
			label(f, y, s.Room)
		}
		colour := "#080"
		if s.EventID == "" {
			colour = "#c00"
		}
		bar(f, x(s.Called), x(s.Answered), y, colour, fmt.Sprintf("%s, %.1f ms, %s", s.Key, ms(s.Answered.Sub(s.Called)), s.EventID))
	}
	_, err = fmt.Fprintln(f, "</svg>")
	return err
}

func label(w io.Writer, y int, text string) {
	fmt.Fprintf(w, `<text x="2" y="%d">%s</text>`, y+9, html.EscapeString(text))
}

func bar(w io.Writer, from, to float64, y int, colour, title string) {
	fmt.Fprintf(w, `<rect x="%g" y="%d" width="%g" height="9" fill="%s" opacity="0.6"><title>%s</title></rect>`,
		from, y, max(1, to-from), colour, html.EscapeString(title))
}
