package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/delivery"
)

// counts are a verdict's faults.
func counts(v delivery.Verdict) map[string]int {
	got := map[string]int{}
	for name, f := range map[string]delivery.Fault{"lost": v.Lost, "repeated": v.Repeated, "reordered": v.Reordered, "invented": v.Invented} {
		if f.Count > 0 {
			got[name] = f.Count
		}
	}
	return got
}

// play sends messages 0 to 5 to room 0, one after the other, all acknowledged; listeners 0 and 1 get what is said.
func play(t *testing.T, zero, one []int, change func(*delivery.Tracker)) delivery.Verdict {
	t.Helper()
	tr := delivery.New(2, 2)
	for n := range 6 {
		require.Equal(t, n, tr.Send(0, time.Now()))
		tr.Acknowledged(n, fmt.Sprint("$", n))
	}
	if change != nil {
		change(tr)
	}
	for listener, got := range [][]int{zero, one} {
		for _, n := range got {
			tr.Seen(listener, 0, n, fmt.Sprint("$", n))
		}
	}
	return tr.Verdict()
}

func TestVerdictSaysWhatIsInjected(t *testing.T) {
	t.Parallel()
	all := []int{0, 1, 2, 3, 4, 5}
	for name, c := range map[string]struct {
		zero, one []int
		change    func(*delivery.Tracker)
		want      map[string]int
	}{
		"nothing":                         {zero: all, one: all},
		"one that nobody got":             {zero: []int{0, 1, 3, 4, 5}, one: []int{0, 1, 3, 4, 5}, want: map[string]int{"lost": 1}},
		"the last, for one":               {zero: all, one: all[:5], want: map[string]int{"lost": 1}},
		"the last, for the first to look": {zero: all[:5], one: all, want: map[string]int{"lost": 1}},
		"one in the middle, for one":      {zero: all, one: []int{0, 1, 3, 4, 5}, want: map[string]int{"lost": 1}},
		"twice at once":                   {zero: all, one: []int{0, 1, 1, 2, 3, 4, 5}, want: map[string]int{"repeated": 1}},
		"twice, later":                    {zero: all, one: []int{0, 1, 2, 3, 4, 5, 0}, want: map[string]int{"repeated": 1}},
		"a swap for one":                  {zero: all, one: []int{0, 2, 1, 3, 4, 5}, want: map[string]int{"reordered": 1}},
		"a swap for both":                 {zero: []int{0, 2, 1, 3, 4, 5}, one: []int{0, 2, 1, 3, 4, 5}, want: map[string]int{"reordered": 1}},
		"in another room":                 {zero: all, one: all, change: func(tr *delivery.Tracker) { tr.Seen(0, 1, 3, "$3") }, want: map[string]int{"invented": 1}},
		"never sent":                      {zero: all, one: all, change: func(tr *delivery.Tracker) { tr.Seen(0, 0, 17, "$17") }, want: map[string]int{"invented": 1}},
		"two events of one message": {zero: all, one: all, change: func(tr *delivery.Tracker) {
			tr.Seen(0, 0, 0, "$0")
			tr.Seen(0, 0, 0, "$twin")
		}, want: map[string]int{"repeated": 2}},
		"another event than was acknowledged": {zero: all[1:], one: all[1:], change: func(tr *delivery.Tracker) {
			tr.Seen(0, 0, 0, "$other")
			tr.Seen(1, 0, 0, "$other")
		}, want: map[string]int{"repeated": 1}},
		"refused, and shown": {zero: all, one: all, change: func(tr *delivery.Tracker) {
			n := tr.Send(0, time.Now())
			tr.Refused(n)
			tr.Seen(0, 0, n, "$r")
		}, want: map[string]int{"invented": 1}},
		"refused, which may":                     {zero: all, one: all, change: func(tr *delivery.Tracker) { tr.Refused(tr.Send(0, time.Now())) }},
		"unanswered, and never shown, which may": {zero: all, one: all, change: func(tr *delivery.Tracker) { tr.Send(0, time.Now()) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := play(t, c.zero, c.one, c.change)
			if c.want == nil {
				c.want = map[string]int{}
			}
			require.Equal(t, c.want, counts(v), "%+v", v)
			require.Equal(t, len(c.want) == 0, v.OK())
			require.Equal(t, v.OK(), len(v.Sentences()) == 0)
		})
	}
}

// Messages that were under way at once may come in any order, but the same for all.
func TestMessagesUnderWayAtOnceHaveAnyOrder(t *testing.T) {
	t.Parallel()
	tr := delivery.New(1, 2)
	a, b := tr.Send(0, time.Now()), tr.Send(0, time.Now())
	tr.Seen(0, 0, b, "$b") // before its sender was told
	tr.Acknowledged(a, "$a")
	tr.Acknowledged(b, "$b")
	require.Equal(t, 3, tr.Missing())
	tr.Seen(0, 0, a, "$a")
	tr.Seen(1, 0, b, "$b")
	_, first := tr.Seen(1, 0, a, "$a")
	require.True(t, first)
	_, first = tr.Seen(1, 0, a, "$a")
	require.False(t, first)
	require.Zero(t, tr.Missing())
	v := tr.Verdict()
	require.Equal(t, map[string]int{"repeated": 1}, counts(v))
	require.Equal(t, 2, v.Acknowledged)
	require.Equal(t, 4, v.Delivered)
}

func TestAMessageWithoutAnAnswerMayCome(t *testing.T) {
	t.Parallel()
	tr := delivery.New(1, 1)
	was := time.Now().Add(-time.Minute)
	n := tr.Send(0, was)
	due, first := tr.Seen(0, 0, n, "$n")
	require.True(t, first)
	require.WithinDuration(t, was, due, 0)
	require.True(t, tr.Verdict().OK())
	require.Zero(t, tr.Verdict().Acknowledged)
}
