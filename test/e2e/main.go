// Command e2e is the tour: clients write and listen throughout, while persisters are scaled, killed and moved, other
// pods deleted, and the operator is away. It judges what the clients saw, and writes artifacts/e2e.json. With --faults it
// plays instead what befalls an operator's homeserver: nodes drained and lost, upgrades, outages; with --autoscale, how
// persisters follow their load.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/kube"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

func main() { command.Main("e2e", run) }

func run(ctx context.Context) error {
	t := &tour{start: time.Now()}
	var tool, artifacts, faults, scenarios string
	flag.StringVar(&artifacts, "artifacts", "e2e", "`names` of the files below artifacts/ to write, separated by commas")
	flag.StringVar(&t.kube.Kubectl, "kubectl", "kubectl", "`path` of kubectl")
	flag.StringVar(&t.kube.Plugin, "plugin", "bin/kubectl-myelin", "`path` of the kubectl plugin")
	flag.StringVar(&tool, "cluster-tool", "bin/cluster", "`command` that kills a container's process")
	flag.StringVar(&t.kube.Namespace, "namespace", "myelin", "the homeserver's namespace")
	flag.StringVar(&t.kube.Homeserver, "homeserver", "demo", "the homeserver's name")
	flag.StringVar(&t.kube.Operator, "operator-namespace", "myelin-system", "the operator's namespace")
	flag.StringVar(&t.secret, "registration-secret", "demo-registration", "`secret` whose key shared-secret opens registration")
	flag.IntVar(&t.rooms, "rooms", 50, "rooms")
	flag.IntVar(&t.receivers, "receivers", 3, "users who listen to all rooms")
	flag.Float64Var(&t.rate, "rate", 40, "messages a second over all rooms")
	flag.IntVar(&t.kills, "kills", 10, "how often a persister is killed")
	flag.BoolVar(&t.idle, "idle", true, "measure idle memory first, when the homeserver is empty and 60 s old")
	flag.StringVar(&t.js, "js-client", "test/clients/js/run.sh", "`command` that runs the matrix-js-sdk clients; empty for none")
	flag.Float64Var(&t.ready, "demo-ready", 0, "how many `seconds` the demo that calls took until Ready, when it was not the first")
	flag.StringVar(&faults, "faults", "", "play these in place of the tour, separated by commas: "+faultNames()+"; all for all of them")
	flag.StringVar(&t.upgrade, "upgrade-image", "", "`image` for the fault upgrade")
	flag.StringVar(&scenarios, "autoscale", "", "play these in place of the tour, separated by commas: "+scenarioNames()+"; all for all of them")
	flag.StringVar(&t.scale.cpu, "cpu", "40m", "CPU `limit` of the persisters that follow their load")
	flag.DurationVar(&t.scale.target, "lag-target", 150*time.Millisecond, "lag that these are to keep")
	flag.IntVar(&t.scale.most, "most", 6, "how many persisters there may be then")
	flag.StringVar(&t.scale.picture, "picture", "docs/autoscaling.svg", "`file` to draw the load step into; empty for none")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if t.rooms < 1 || t.receivers < 1 || t.rate <= 0 || t.kills < 0 {
		return errors.New("rooms, receivers and rate must be positive, kills at least 0")
	}
	t.kube.Tool = strings.Fields(tool)
	t.play, t.table = t.phases, table
	t.begin = func(ctx context.Context) error { return t.persisters(ctx, 2) }
	switch {
	case faults != "" && scenarios != "":
		return errors.New("choose --faults or --autoscale")
	case scenarios != "":
		chosen, err := chooseScenarios(scenarios)
		if err != nil {
			return err
		}
		t.scale.scenarios, t.scale.recorder = chosen, &recorder{tour: t, pool: t.pool("persister")}
		t.play, t.table, t.begin, t.acknowledged = t.playAutoscale, autoscaleTable, t.beginAutoscale, t.scale.recorder.acknowledged
		t.rate, t.idle, t.js = baseLoad, false, ""
	case faults != "":
		chosen, err := chooseFaults(faults)
		if err != nil {
			return err
		}
		t.play, t.table, t.retry, t.idle, t.js = t.playFaults(chosen), faultTable, faultPatience, false, ""
	}

	rows, err := t.run(ctx)
	if t.ready > 0 {
		rows = append(rows, figures.AtMost("demo.second_run_ready", "s", t.ready, 90))
	}
	if len(rows) > 0 {
		figures.Print(os.Stdout, rows)
		for name := range strings.SplitSeq(artifacts, ",") {
			err = errors.Join(err, figures.Write(name, t.table, rows))
		}
	}
	if err != nil {
		return err
	}
	return figures.Kept(rows)
}

// table is what a whole run measures.
var table = []figures.Row{
	figures.Unmeasured("planned.failed", "requests", "0"),
	figures.Unmeasured("kill.send_failed", "requests", "0"),
	figures.Unmeasured("kill.recovery_p99", "ms", "≤ 1000"),
	figures.Unmeasured("events.lost", "events", "0"),
	figures.Unmeasured("events.duplicated", "events", "0"),
	figures.Unmeasured("events.reordered", "events", "0"),
	figures.Unmeasured("other_pods.restarts", "pods", "0"),
	figures.Unmeasured("persister.rss_idle", "MB", "≤ 40"),
	figures.Unmeasured("operator.rss_idle", "MB", "≤ 60"),
	figures.Unmeasured("demo.second_run_ready", "s", "≤ 90"),
}

// tour is one run.
type tour struct {
	kube             kube.Kube
	secret           string
	rooms, receivers int
	rate             float64
	kills            int
	idle             bool
	js               string
	ready            float64
	upgrade          string
	scale            autoscale
	retry            time.Duration               // for how long clients send a message again
	begin            func(context.Context) error // readies the pools before clients come
	acknowledged     func(took time.Duration)    // is told of each acknowledged message; may be nil
	play             func(context.Context, *load.Load) ([]figures.Row, error)
	table            []figures.Row

	start time.Time
}

// say prints progress with the time since the start.
func (t *tour) say(format string, args ...any) {
	fmt.Printf("[%6.1fs] %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}

// pool's name: the sample calls them HOMESERVER-ROLE.
func (t *tour) pool(role string) string { return t.kube.Homeserver + "-" + role }
