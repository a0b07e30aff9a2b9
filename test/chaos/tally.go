package main

import (
	"fmt"
	"slices"
	"sync"

	"github.com/myelin-hs/myelin/test/figures"
)

// A figure of the table.
type figure struct {
	name, unit string
	limit      float64
	atLeast    bool // else at most
	sum        bool // over all scenarios; else the worst counts
}

var table = []figure{
	{name: "move.added_p99", unit: "ms", limit: 30},
	{name: "move.failed", unit: "requests", sum: true},
	{name: "drain.time", unit: "ms", limit: 2000},
	{name: "drain.failed", unit: "requests", sum: true},
	{name: "kill.recovery_p99", unit: "ms", limit: 1000},
	{name: "silent.recovery_max", unit: "ms", limit: 5000},
	{name: "horizon.standstill_max", unit: "ms", limit: 5000},
	{name: "acked.lost", unit: "events", sum: true},
	{name: "acked.duplicated", unit: "events", sum: true},
	{name: "acked.reordered", unit: "events", sum: true},
	{name: "reader.skipped", unit: "events", sum: true},
	{name: "reader.repeated", unit: "events", sum: true},
	{name: "idle_txn.effect", unit: "ratio", limit: 0.9, atLeast: true},
	{name: "lease.statements", unit: "statements/s", limit: 1.1},
	{name: "endtoend_p50", unit: "ms", limit: 5},
	{name: "endtoend_p99", unit: "ms", limit: 20},
}

func (f figure) row(value float64) figures.Row {
	if f.atLeast {
		return figures.AtLeast(f.name, f.unit, value, f.limit)
	}
	return figures.AtMost(f.name, f.unit, value, f.limit)
}

// tally folds the scenarios' figures. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	values map[string]float64
}

func (t *tally) add(name string, value float64) {
	i := slices.IndexFunc(table, func(f figure) bool { return f.name == name })
	if i < 0 {
		panic(fmt.Sprintf("the table has no figure %q", name))
	}
	f := table[i]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.values == nil {
		t.values = map[string]float64{}
	}
	old, any := t.values[name]
	switch {
	case f.sum:
		t.values[name] = old + value
	case !any || f.atLeast == (value < old):
		t.values[name] = value
	}
}

// rows are the whole table, and what of it was measured.
func (t *tally) rows() (all, measured []figures.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range table {
		row := f.row(0)
		all = append(all, figures.Unmeasured(row.Name, row.Unit, row.Goal))
		if v, ok := t.values[f.name]; ok {
			measured = append(measured, f.row(v))
		}
	}
	return all, measured
}
