package stateres_test

import (
	"testing"
)

func TestBanBeatsTheBannedModerator(t *testing.T) {
	t.Parallel()
	for _, version := range []string{v2, v2p1} {
		r := newRoom(t, version)
		s := r.begin(bob)
		s = r.send(s, "pa", alice, power, "", r.levels(map[string]int{bob: 50}))
		left := r.send(s, "mb", alice, member, bob, membership("ban"))
		right := r.send(s, "pb", bob, power, "", r.levels(map[string]int{bob: 50, charlie: 1}))
		requireAt(t, r.resolve(left, right), map[string]string{power: "pa", member + " " + bob: "mb"})
	}
}
