package plan_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// A simulated cluster: pools, their pods, and all who act on them, each one step at a time, in an order drawn by a seed. The
// operator knows nothing but what it sees in each pass, and may be killed after any write.
type simulated struct {
	t     *testing.T
	rand  *rand.Rand
	pools []*simPool // in the order of a rollout
	image int        // that the Homeserver names
	step  int
	log   strings.Builder

	database *simDatabase

	silent int // workers answer nobody for so many steps
	faults bool
}

type simPool struct {
	name             string
	role             v1alpha1.Role
	wanted, replicas int32
	image            int
	pods             []*simPod
	made             int
	unanswered       int
	// least that was wanted so far, and most replicas that there were; lost pods that somebody killed and that are not back.
	least, most int32
	lost        int
	// blind: the last pass lowered the replicas without draining.
	blind bool
}

type simPod struct {
	name    string
	image   int
	created int
	worker  string // "", live, leaving, drained
	ready   bool
	stops   bool // it has been told to end
	leaving time.Time
	cheap   bool
	given   bool // there are fewer replicas for its sake
}

func newSimulated(t *testing.T, seed uint64, sizes ...int32) *simulated {
	w := &simulated{t: t, rand: rand.New(rand.NewPCG(seed, 1)), image: 1, database: newSimDatabase(seed)}
	for i, role := range []v1alpha1.Role{v1alpha1.RolePersister, v1alpha1.RoleSync, v1alpha1.RoleGateway}[:len(sizes)] {
		p := &simPool{name: string(role), role: role, wanted: sizes[i], replicas: sizes[i], image: 1, least: sizes[i], most: sizes[i]}
		for range sizes[i] {
			pod := w.make(p)
			pod.worker, pod.ready = "live", true
		}
		w.pools = append(w.pools, p)
	}
	return w
}

func (w *simulated) say(format string, args ...any) {
	fmt.Fprintf(&w.log, "%3d  %s\n", w.step, fmt.Sprintf(format, args...))
}

func (w *simulated) now() time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(w.step) * time.Second)
}

func (w *simulated) make(p *simPool) *simPod {
	p.made++
	pod := &simPod{name: fmt.Sprintf("%s-%d", p.name, p.made), image: p.image, created: w.step}
	p.pods = append(p.pods, pod)
	return pod
}

func (p *simPool) staying() (all []*simPod) {
	for _, x := range p.pods {
		if !x.stops {
			all = append(all, x)
		}
	}
	return all
}

func (p *simPool) count(is func(*simPod) bool) (n int32) {
	for _, x := range p.staying() {
		if is(x) {
			n++
		}
	}
	return n
}

func (p *simPool) rolling() bool {
	return p.count(func(x *simPod) bool { return x.image != p.image }) > 0
}

// operate makes one pass over a pool, killed after some writes; it returns how many it made.
func (w *simulated) operate(p *simPool, killedAfter int) (writes int) {
	in := plan.PoolSize{
		Wanted: p.wanted, Replicas: p.replicas, Rolling: p.rolling(), Settled: int32(len(p.staying())) == p.replicas, Now: w.now(),
	}
	if w.silent > 0 {
		p.unanswered++
	} else {
		p.unanswered = 0
	}
	in.Unanswered = p.unanswered
	for _, x := range p.staying() {
		seen := plan.PodSeen{Name: x.name, Ready: x.ready, Created: time.Unix(int64(x.created), 0), Leaving: x.leaving, Cheap: x.cheap}
		if w.silent == 0 {
			seen.Worker = map[string]plan.Holding{"live": plan.HoldsAll, "leaving": plan.HoldsSome}[x.worker]
		}
		in.Pods = append(in.Pods, seen)
	}
	write := func(format string, args ...any) bool {
		if writes == killedAfter {
			w.say("the operator is killed")
			p.unanswered = 0
			return false
		}
		writes++
		w.say("operator: "+format, args...)
		return true
	}
	got := plan.Scale(in)
	for _, s := range got.Steps {
		if !write("%s %s, as %s", s.Action, s.Pod, s.Why) {
			return writes
		}
		x := p.pods[slices.IndexFunc(p.pods, func(x *simPod) bool { return x.name == s.Pod })]
		switch s.Action {
		case plan.PodMark:
			x.leaving = w.now()
		case plan.PodUnmark:
			x.leaving, x.cheap = time.Time{}, false
		case plan.PodCheapen:
			x.cheap = true
		case plan.PodDelete:
			x.stops = true
		case plan.PodDrain:
			if w.silent == 0 && x.worker == "live" {
				x.worker = "leaving"
			}
		}
	}
	image := p.image
	if p.image != w.image && w.database.recorded.Inputs == fmt.Sprint(w.image) && !got.Busy() && plan.Turn(p.name, fmt.Sprint(w.image), w.images()) == nil {
		image = w.image
	}
	if got.Replicas != p.replicas || image != p.image {
		if !write("%s has %d replicas of image %d", p.name, got.Replicas, image) {
			return writes
		}
		if got.Replicas < p.replicas {
			for _, x := range p.pods {
				x.given = x.given || x.cheap
			}
			p.blind = in.Rolling || in.Unanswered > 0 || in.Wanted == 0 || len(in.Pods) < int(in.Replicas)
		}
		p.replicas, p.image, p.most = got.Replicas, image, max(p.most, got.Replicas)
	}
	return writes
}

func (w *simulated) images() (all []plan.PoolImage) {
	for _, p := range w.pools {
		ready := p.count(func(x *simPod) bool { return x.ready }) > 0
		all = append(all, plan.PoolImage{
			Name: p.name, Roles: []v1alpha1.Role{p.role}, Image: fmt.Sprint(p.image), RolledOut: !p.rolling() && (ready || p.replicas == 0),
		})
	}
	return all
}

// deploy is one step of Deployment and ReplicaSet controller, with a surge of one and none unavailable.
func (w *simulated) deploy(p *simPool) {
	pods := p.staying()
	old, is := p.rolling(), int32(len(pods))
	surge := int32(0)
	if old {
		surge = 1
	}
	if young := p.count(func(x *simPod) bool { return x.image == p.image }); is < p.replicas+surge && young < p.replicas {
		w.say("%s is made", w.make(p).name)
		return
	}
	// The first to be stopped: of the older image, not ready, cheap, young.
	first := map[bool]int{false: 1}
	slices.SortFunc(pods, func(a, b *simPod) int {
		return cmp.Or(cmp.Compare(first[a.image != p.image], first[b.image != p.image]), cmp.Compare(first[!a.ready], first[!b.ready]),
			cmp.Compare(first[a.cheap], first[b.cheap]), cmp.Compare(b.created, a.created), cmp.Compare(a.name, b.name))
	})
	available := p.count(func(x *simPod) bool { return x.ready })
	switch {
	case is == 0:
	case old && pods[0].image != p.image && (!pods[0].ready || available > p.replicas), !old && is > p.replicas:
		x := pods[0]
		w.say("%s is stopped (%s)", x.name, cmp.Or(x.worker, "no worker"))
		x.stops = true
		if !old && !p.blind && x.ready {
			late := !x.leaving.IsZero() && w.now().Sub(x.leaving) >= time.Minute
			require.True(w.t, x.worker != "live" && x.worker != "leaving" || late || x.given, "%s was stopped with all that it owned", x.name)
		}
	}
}

// run is one step of a pod's kubelet and worker.
func (w *simulated) run(p *simPool, x *simPod) {
	switch {
	case x.stops:
		w.say("%s ends", x.name)
		p.pods = slices.DeleteFunc(p.pods, func(y *simPod) bool { return x == y })
	case x.worker == "" && x.image < w.database.floor:
		w.say("%s may not join", x.name)
	case x.worker == "":
		w.say("%s is ready", x.name)
		x.worker, x.ready = "live", true
		p.lost = max(0, p.lost-1)
	case x.worker == "leaving":
		w.say("%s has given everything away", x.name)
		x.worker = "drained"
	case x.worker == "drained":
		x.ready = false
	}
}

// disturb is something that nobody planned, or what a user wants now.
func (w *simulated) disturb() {
	p := w.pools[w.rand.IntN(len(w.pools))]
	pods := p.staying()
	switch what := w.rand.IntN(12); {
	case what < 2 && w.faults && len(pods) > 0:
		x := pods[w.rand.IntN(len(pods))]
		w.say("%s is killed and starts again", x.name)
		x.worker, x.ready = "", false
		p.lost++
	case what < 3 && w.faults && len(pods) > 0:
		x := pods[w.rand.IntN(len(pods))]
		w.say("%s is lost with its node", x.name)
		p.pods = slices.DeleteFunc(p.pods, func(y *simPod) bool { return x == y })
		p.lost++
	case what < 4 && w.faults:
		w.silent = 1 + w.rand.IntN(30)
		w.say("workers answer nobody")
	case what < 5 && w.image < 4:
		w.image++
		w.say("the Homeserver names image %d", w.image)
	case what < 8:
		p.wanted = int32(w.rand.IntN(6))
		p.least = min(p.least, p.wanted)
		w.say("%s is scaled to %d", p.name, p.wanted)
	}
}

// turn lets somebody act.
func (w *simulated) turn(disturb bool) {
	w.step++
	w.silent = max(0, w.silent-1)
	p := w.pools[w.rand.IntN(len(w.pools))]
	switch what := w.rand.IntN(20); {
	case what == 0 && disturb:
		w.disturb()
	case what < 7:
		killed := -1
		if disturb && w.rand.IntN(4) == 0 {
			killed = w.rand.IntN(3)
		}
		w.operate(p, killed)
	case what < 12:
		w.deploy(p)
	case len(p.pods) > 0:
		w.run(p, p.pods[w.rand.IntN(len(p.pods))])
	}
	w.database.turn(w, disturb)
	w.check()
}

// check holds at any time.
func (w *simulated) check() {
	newest := w.image
	for _, p := range w.pools {
		if p.image > newest {
			w.t.Fatalf("%s asks for what others do not know yet", p.name)
		}
		newest = p.image
		drains := p.count(func(x *simPod) bool { return !x.leaving.IsZero() && x.worker == "leaving" })
		if drains > max(1, p.most/10) {
			w.t.Fatalf("%s drains %d at once", p.name, drains)
		}
		ready := p.count(func(x *simPod) bool { return x.ready })
		if int(ready) < int(p.least)-p.lost {
			w.t.Fatalf("%s has %d that are ready", p.name, ready)
		}
	}
}

// settle lets everybody act undisturbed until nothing happens any more.
func (w *simulated) settle() {
	w.silent = 0
	for range 4000 {
		w.turn(false)
	}
	for _, p := range w.pools {
		require.Equal(w.t, []int{int(p.wanted), w.image}, []int{len(p.pods), p.image}, "%s", p.name)
		for _, x := range p.pods {
			require.Equal(w.t, simPod{name: x.name, image: w.image, created: x.created, worker: "live", ready: true, given: x.given}, *x)
		}
		require.Zero(w.t, w.operate(p, -1), "%s: a second pass writes nothing", p.name)
	}
	w.database.settled(w)
}

func (w *simulated) tell() {
	if w.t.Failed() {
		w.t.Log("\n" + w.log.String())
	}
}
