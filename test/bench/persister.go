package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/test/figures"
)

// alone is the persister without HTTP: the benchmarks and counts of pkg/persister, built once.
type alone struct {
	rig    *rig
	binary string
}

func (r *rig) buildAlone(ctx context.Context) (*alone, error) {
	a := &alone{rig: r, binary: filepath.Join(r.dir, "persister.test")}
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", a.binary, "github.com/myelin-hs/myelin/pkg/persister").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("build the persister's benchmarks: %w\n%s", err, out)
	}
	return a, nil
}

func (a *alone) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.binary, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=") // -test.cpu says it
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the persister alone: %w\n%s", err, out[max(0, len(out)-2000):])
	}
	return string(out), nil
}

var eventsPerSecond = regexp.MustCompile(`([\d.e+]+) events/s`)

// rate is how many events a second it commits on so many cores, in a fresh database.
func (a *alone) rate(ctx context.Context, cores int, length time.Duration) (float64, error) {
	return a.benchmark(ctx, "BenchmarkSends", cores, length)
}

// uncommitted is the same but for Postgres, so that nothing else uses the cores.
func (a *alone) uncommitted(ctx context.Context, cores int, length time.Duration) (float64, error) {
	return a.benchmark(ctx, "BenchmarkSendsUncommitted", cores, length)
}

func (a *alone) benchmark(ctx context.Context, name string, cores int, length time.Duration) (float64, error) {
	uri, drop, err := a.rig.database(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer drop()
	out, err := a.run(ctx, "-test.run=^$", "-test.bench=^"+name+"$", "-test.benchtime="+length.String(), "-test.cpu="+strconv.Itoa(cores), "-postgres="+uri)
	if err != nil {
		return 0, err
	}
	m := eventsPerSecond.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%s names no rate:\n%s", name, out)
	}
	return strconv.ParseFloat(m[1], 64)
}

// counts are the figures that tests keep.
func (a *alone) counts(ctx context.Context) ([]figures.Row, error) {
	out, err := a.run(ctx, "-test.run=^(TestTwoHundredSendsAreOneTransactionOfFewStatements|TestWarmRoomIsNotRead)$", "-test.v")
	if err != nil {
		return nil, err
	}
	attributes := attributes(out)
	for _, name := range []string{"lane.statements", "lane.transactions", "warm.reads"} {
		if _, told := attributes[name]; !told {
			return nil, fmt.Errorf("no test tells %s", name)
		}
	}
	transactions := attributes["lane.transactions"]
	one := transactions == 1
	return []figures.Row{
		figures.AtMost("lane.statements", "statements", attributes["lane.statements"], 12),
		{Name: "lane.transactions", Value: &transactions, Unit: "transactions", Goal: "1", OK: &one},
		figures.AtMost("warm.reads", "reads", attributes["warm.reads"], 0),
	}, nil
}

// attributes are what tests say of themselves by testing.T.Attr, where it is a number.
func attributes(out string) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) != 5 || words[0] != "===" || words[1] != "ATTR" {
			continue
		}
		if value, err := strconv.ParseFloat(words[4], 64); err == nil {
			all[words[3]] = value
		}
	}
	return all
}
