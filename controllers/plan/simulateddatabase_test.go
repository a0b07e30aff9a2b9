package plan_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// simDatabase is the database of a simulated cluster, its Jobs, and what the Homeserver's status says of it.
type simDatabase struct {
	rand             *rand.Rand // its own
	recorded         v1alpha1.DatabaseStatus
	expand, contract *simJob
	// expanded is the newest image that the schema is made for; floor the oldest whose workers may join.
	expanded, floor int
}

type simJob struct {
	image   int
	attempt plan.Attempt
}

func newSimDatabase(seed uint64) *simDatabase {
	return &simDatabase{
		rand: rand.New(rand.NewPCG(seed, 2)), expanded: 1, floor: 1,
		recorded: v1alpha1.DatabaseStatus{ID: "db", Inputs: "1", ContractedImage: "1"},
	}
}

// newest is the attempt for the image; a Job for another one is of no more use.
func (j *simJob) newest(image int) *plan.Attempt {
	if j == nil || j.image != image {
		return nil
	}
	return &j.attempt
}

// operate is a pass of the Homeserver's controller, killed after some writes.
func (d *simDatabase) operate(w *simulated, killedAfter int) (writes int) {
	image := fmt.Sprint(w.image)
	recorded := d.recorded
	m := plan.Migration(plan.MigrationSeen{Inputs: image, Image: image, Recorded: &recorded, Newest: d.expand.newest(w.image), Now: w.now()})
	c := plan.Contract(plan.ContractSeen{
		Image: image, Recorded: &recorded, Verified: m.Ready.Is() && m.Record == nil,
		RolledOut: plan.RolledOut(image, w.images()), Newest: d.contract.newest(w.image), Now: w.now(),
	})
	write := func(due bool, what string, do func()) {
		if due && writes != killedAfter {
			writes++
			w.say("operator: %s for image %d", what, w.image)
			do()
		}
	}
	write(m.Start > 0, "a Job expands", func() { d.expand = &simJob{w.image, plan.Attempt{Number: m.Start}} })
	write(c.Start > 0, "a Job contracts", func() { d.contract = &simJob{w.image, plan.Attempt{Number: c.Start}} })
	write(m.Record != nil, "the database is expanded", func() { d.recorded = *m.Record })
	write(c.Done, "the database is contracted", func() { d.recorded.ContractedImage = image })
	return writes
}

// run ends a Job. One that contracts finds every worker that lives, also in pods that have been told to stop.
func (d *simDatabase) run(w *simulated, j *simJob) {
	if j == nil || j.attempt.Finished {
		return
	}
	j.attempt.Finished, j.attempt.Succeeded, j.attempt.FinishedAt = true, !w.faults || d.rand.IntN(4) > 0, w.now()
	if j == d.contract {
		for _, p := range w.pools {
			for _, x := range p.pods {
				j.attempt.Succeeded = j.attempt.Succeeded && (x.worker == "" || x.image >= j.image)
			}
		}
	}
	j.attempt.Result = &plan.Result{Reason: v1alpha1.ReasonMigrationFailed, Message: "it went wrong"}
	switch {
	case !j.attempt.Succeeded:
		w.say("a Job for image %d fails", j.image)
		return
	case j == d.expand:
		d.expanded = max(d.expanded, j.image)
	default:
		d.floor = max(d.floor, j.image)
	}
	j.attempt.Result = &plan.Result{Reason: v1alpha1.ReasonMigrated, DatabaseID: "db"}
	w.say("a Job for image %d is done", j.image)
}

// turn lets one of them act.
func (d *simDatabase) turn(w *simulated, disturb bool) {
	switch d.rand.IntN(6) {
	case 0, 1:
		killed := -1
		if disturb && d.rand.IntN(3) == 0 {
			killed = d.rand.IntN(2)
		}
		d.operate(w, killed)
	case 2:
		d.run(w, d.expand)
	case 3:
		d.run(w, d.contract)
	}
	for _, p := range w.pools {
		for _, x := range p.pods {
			if x.worker != "" && (x.image > d.expanded || x.image < d.floor) {
				w.t.Fatalf("%s, of image %d, works on a schema for images %d to %d", x.name, x.image, d.floor, d.expanded)
			}
		}
	}
}

// settled requires what is to be in the end.
func (d *simDatabase) settled(w *simulated) {
	image := fmt.Sprint(w.image)
	require.Equal(w.t, v1alpha1.DatabaseStatus{ID: "db", Inputs: image, ContractedImage: image}, d.recorded)
	require.Equal(w.t, []int{w.image, w.image}, []int{d.expanded, d.floor})
	w.step += int(10 * time.Minute / time.Second)
	require.Zero(w.t, d.operate(w, -1), "a second pass writes nothing")
}
