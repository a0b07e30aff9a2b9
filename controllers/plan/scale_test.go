package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestScale(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	pod := func(name string, shards int, change ...func(*plan.PodSeen)) plan.PodSeen {
		p := plan.PodSeen{Name: name, Ready: true, Created: now.Add(-time.Hour), Worker: plan.HoldsAll, Shards: shards}
		for _, c := range change {
			c(&p)
		}
		return p
	}
	marked := func(p *plan.PodSeen) { p.Leaving = now.Add(-2 * time.Second) }
	long := func(p *plan.PodSeen) { p.Leaving = now.Add(-time.Minute) }
	leaves := func(p *plan.PodSeen) { p.Worker = plan.HoldsSome }
	drained := func(p *plan.PodSeen) { p.Worker, p.Shards, p.Ready = plan.HoldsNothing, 0, false }
	cheap := func(p *plan.PodSeen) { p.Cheap = true }
	three := []plan.PodSeen{pod("a", 20), pod("b", 30), pod("c", 14)}
	many := make([]plan.PodSeen, 30)
	for i := range many {
		many[i] = pod(fmt.Sprintf("p-%02d", i), 2)
	}
	for name, test := range map[string]struct {
		in       plan.PoolSize
		replicas int32
		steps    []string
		again    bool
		why      string
	}{
		"as it should be":        {plan.PoolSize{Wanted: 3, Replicas: 3, Settled: true, Pods: three}, 3, nil, false, ""},
		"more, at once":          {plan.PoolSize{Wanted: 9, Replicas: 3, Settled: true, Pods: three}, 9, nil, false, ""},
		"none, at once":          {plan.PoolSize{Wanted: 0, Replicas: 3, Settled: true, Pods: three}, 0, nil, false, ""},
		"in a rollout, at once":  {plan.PoolSize{Wanted: 1, Replicas: 3, Rolling: true, Pods: three}, 1, nil, false, ""},
		"pods come and go":       {plan.PoolSize{Wanted: 1, Replicas: 2, Pods: three}, 2, nil, true, "come and go"},
		"pods not made yet":      {plan.PoolSize{Wanted: 1, Replicas: 5, Pods: three}, 3, nil, true, ""},
		"no pods at all":         {plan.PoolSize{Wanted: 1, Replicas: 5}, 1, nil, true, ""},
		"the fewest shards":      {plan.PoolSize{Wanted: 1, Replicas: 3, Settled: true, Pods: three}, 3, []string{"mark c", "drain c"}, true, "c gives away"},
		"not ready goes first":   {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: append([]plan.PodSeen{pod("d", 0, drained)}, three[:2]...)}, 3, []string{"mark d"}, true, "stopped"},
		"a tenth at a time":      {plan.PoolSize{Wanted: 1, Replicas: 30, Settled: true, Pods: many}, 30, []string{"mark p-00", "mark p-01", "mark p-02", "drain p-00", "drain p-01", "drain p-02"}, true, ""},
		"marked, not told yet":   {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], three[1], pod("c", 14, marked)}}, 3, []string{"drain c"}, true, ""},
		"drains":                 {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 9, marked, leaves), three[2]}}, 3, nil, true, "b gives away"},
		"drained":                {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 0, marked, drained), three[2]}}, 3, []string{"cheapen b"}, true, ""},
		"drained and cheap":      {plan.PoolSize{Wanted: 1, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 0, marked, drained, cheap), three[2]}}, 2, nil, true, ""},
		"cheap, started again":   {plan.PoolSize{Wanted: 1, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 0, marked, cheap), three[2]}}, 3, []string{"drain b"}, true, ""},
		"takes too long, cheap":  {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 9, long, leaves, cheap), three[2]}}, 2, nil, true, ""},
		"takes too long":         {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 9, long, leaves), three[2]}}, 3, []string{"cheapen b"}, true, ""},
		"no answer yet":          {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: three, Unanswered: 4}, 3, nil, true, "no worker answers yet"},
		"no answer for long":     {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: three, Unanswered: 5}, 2, nil, false, "without being drained"},
		"taken back, marked":     {plan.PoolSize{Wanted: 3, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 30, marked), three[2]}}, 3, []string{"unmark b"}, true, ""},
		"taken back, drains":     {plan.PoolSize{Wanted: 3, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 30, marked, leaves), three[2]}}, 3, nil, true, ""},
		"taken back, drained":    {plan.PoolSize{Wanted: 4, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 0, marked, drained, cheap), three[2]}}, 4, []string{"delete b"}, true, ""},
		"taken back by half":     {plan.PoolSize{Wanted: 2, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 9, marked, leaves), pod("d", 9, marked)}}, 3, []string{"unmark d"}, true, "b gives away"},
		"about to be stopped":    {plan.PoolSize{Wanted: 2, Replicas: 2, Pods: []plan.PodSeen{three[0], pod("b", 0, marked, drained, cheap), three[2]}}, 2, nil, true, ""},
		"taken back, no answers": {plan.PoolSize{Wanted: 3, Replicas: 3, Settled: true, Unanswered: 1, Pods: []plan.PodSeen{three[0], pod("b", 0, marked, drained), three[2]}}, 3, nil, true, ""},
		"drained by somebody":    {plan.PoolSize{Wanted: 3, Replicas: 3, Settled: true, Pods: []plan.PodSeen{three[0], pod("b", 0, drained), three[2]}}, 3, nil, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.in.Now = now
			got := plan.Scale(test.in)
			require.Equal(t, test.replicas, got.Replicas)
			var steps []string
			for _, s := range got.Steps {
				require.NotEmpty(t, s.Why)
				steps = append(steps, string(s.Action)+" "+s.Pod)
			}
			require.Equal(t, test.steps, steps)
			require.Equal(t, test.again, got.After > 0)
			require.Contains(t, got.Why, test.why)
		})
	}
}
