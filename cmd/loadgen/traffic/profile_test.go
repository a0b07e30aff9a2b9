package traffic

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrderKeepsWeightsAndSpreadsThem(t *testing.T) {
	t.Parallel()
	mixed, known := FindProfile("mixed")
	require.True(t, known)
	for _, mix := range [][]Share{mixed.Mix, {{Sync, 9}, {Send, 1}}, {{Send, 3}}} {
		round := order(mix)
		total := len(round)
		for _, s := range mix {
			seen := 0
			for i, step := range round {
				if step.kind == s.Kind {
					seen++
				}
				require.InDelta(t, float64(s.Weight*(i+1))/float64(total), float64(seen), float64(len(mix)), "%s after %d", s.Kind, i+1)
			}
			require.Equal(t, s.Weight, seen)
		}
	}
}

func TestEveryProfileHasASizeThatWorks(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles {
		require.NoError(t, p.Size.Check(), p.Name)
		require.NotEmpty(t, p.Mix)
	}
}

// Which room and user a request meets must not hang on how its kind is spread over the round.
func TestEveryKindMeetsEveryRoomAndUser(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles {
		l := &Load{cfg: Config{Profile: p, Size: p.Size}}
		for range p.Size.Users {
			l.users = append(l.users, &user{})
		}
		for i := range p.Size.Rooms {
			l.rooms = append(l.rooms, &room{members: l.membersOf(i)})
		}
		rooms, users, next := map[string]map[int]bool{}, map[string]map[*user]bool{}, map[string]int{}
		requests := order(p.Mix)
		for n := range 2000 {
			kind, nth := requests.at(n)
			require.Equal(t, next[kind], nth, "%s: each number of a kind once", p.Name)
			next[kind]++
			if rooms[kind] == nil {
				rooms[kind], users[kind] = map[int]bool{}, map[*user]bool{}
			}
			at, u, to := l.pick(kind, nth)
			rooms[kind][at], users[kind][u] = true, true
			if kind == ToDevice {
				require.NotSame(t, u, to)
			}
		}
		for _, s := range p.Mix {
			require.Len(t, users[s.Kind], p.Size.Users, "%s: %s by every user", p.Name, s.Kind)
			if s.Kind != Sync && s.Kind != FirstSync {
				require.Len(t, rooms[s.Kind], p.Size.Rooms, "%s: %s in every room", p.Name, s.Kind)
			}
		}
	}
}
