package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	update = flag.Bool("update", false, "rewrite the golden logs")
	seeds  = flag.Uint64("seeds", 60, "how many orders of events are tried of each kind")
)

// Whatever is wanted, in whatever order things happen, and whenever the operator is killed: never too many drain at once,
// nobody is stopped who could have drained, no pool runs an image before those that it asks, and in the end all is as wanted.
func TestAnyOrderOfEventsEndsWell(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]bool{"planned": false, "with failures": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range *seeds {
				w := newSimulated(t, seed, 3, 2, 2)
				w.faults = faults
				ok := t.Run("", func(t *testing.T) {
					w.t = t
					defer w.tell()
					for range 600 {
						w.turn(true)
					}
					w.settle()
				})
				if !ok {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// Some stories in full, for people to read and for changes to be noticed.
func TestStories(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(*simulated){
		"scale-up":   func(w *simulated) { w.pools[0].wanted = 3 },
		"scale-down": func(w *simulated) { w.pools[0].wanted, w.pools[0].least = 2, 2 },
		"scale-down-taken-back": func(w *simulated) {
			w.pools[0].wanted, w.pools[0].least = 1, 1
			for w.pools[0].count(func(x *simPod) bool { return x.worker == "drained" }) == 0 {
				w.turn(false)
			}
			w.say("persister is scaled to 4")
			w.pools[0].wanted = 4
		},
		"rollout": func(w *simulated) { w.image = 2 },
		"rollout-and-scale-down": func(w *simulated) {
			w.image, w.pools[0].wanted, w.pools[0].least = 2, 1, 1
		},
		"failover": func(w *simulated) {
			x := w.pools[0].pods[1]
			w.pools[0].wanted, w.pools[0].least, w.pools[0].lost = 2, 2, 1
			w.say("%s is killed and starts again", x.name)
			x.worker, x.ready = "", false
		},
		"operator-killed-after-each-write": func(w *simulated) {
			w.pools[0].wanted, w.pools[0].least = 1, 1
			for w.pools[0].replicas > 1 {
				w.step++
				w.operate(w.pools[0], 1)
				w.deploy(w.pools[0])
				for _, x := range slices.Clone(w.pools[0].pods) {
					w.run(w.pools[0], x)
				}
				w.check()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sizes := []int32{3}
			if name == "rollout" {
				sizes = []int32{2, 1, 2}
			}
			if name == "scale-up" {
				sizes = []int32{1}
			}
			w := newSimulated(t, 7, sizes...)
			defer w.tell()
			story(w)
			w.settle()
			file := filepath.Join("testdata", name+".log")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, []byte(w.log.String()), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), w.log.String())
		})
	}
}
