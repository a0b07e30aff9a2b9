package traffic

import "slices"

// Kinds of requests. Deliver is no request: it is what a listener waits for a message, from when that was due to be sent.
const (
	Send        = "send"
	Receipt     = "receipt"
	AccountData = "account-data"
	DeviceList  = "device-list"
	ToDevice    = "to-device"
	Sync        = "sync"
	FirstSync   = "first-sync"
	Deliver     = "deliver"
)

// A Share is how often a kind of request is made, compared with others.
type Share struct {
	Kind   string `json:"kind"`
	Weight int    `json:"weight"`
}

// A Profile is who does what.
type Profile struct {
	Name, About string
	Mix         []Share
	// Size is what the profile takes when nothing else is said.
	Size Size
}

// Size of a load.
type Size struct {
	Rooms     int `json:"rooms"`
	Users     int `json:"users"`     // who make requests
	Members   int `json:"members"`   // users in each room
	Listeners int `json:"listeners"` // further users, who are in all rooms and long-poll /sync
}

// Profiles are all that there are.
var Profiles = []Profile{
	{
		Name: "send", About: "messages to many rooms",
		Mix:  []Share{{Send, 1}},
		Size: Size{Rooms: 20, Users: 20, Members: 5, Listeners: 2},
	},
	{
		Name: "sync", About: "incremental /sync of users in turn, each from its last token, and a message for nine of them",
		Mix:  []Share{{Sync, 9}, {Send, 1}},
		Size: Size{Rooms: 5, Users: 40, Members: 40},
	},
	{
		Name: "mixed", About: "a busy public server: 35 events, 34 receipts, 44 of account data, 12 of device lists, 5 to-device of 130, as far as they are served",
		Mix:  []Share{{Send, 35}, {Receipt, 34}, {AccountData, 44}, {DeviceList, 12}, {ToDevice, 5}},
		Size: Size{Rooms: 20, Users: 20, Members: 5, Listeners: 2},
	},
	{
		Name: "first-sync", About: "/sync from the beginning, by users with many rooms",
		Mix:  []Share{{FirstSync, 1}},
		Size: Size{Rooms: 50, Users: 10, Members: 10},
	},
	{
		Name: "fanout", About: "messages to one room that a hundred listen to",
		Mix:  []Share{{Send, 1}},
		Size: Size{Rooms: 1, Users: 1, Members: 1, Listeners: 100},
	},
}

// FindProfile returns the profile of this name.
func FindProfile(name string) (Profile, bool) {
	i := slices.IndexFunc(Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return Profiles[i], true
}

// has reports whether requests of the kind are among the profile's.
func (p Profile) has(kind string) bool {
	return slices.ContainsFunc(p.Mix, func(s Share) bool { return s.Kind == kind })
}

// A step is one request of a round: the nth of its kind there, of so many.
type step struct {
	kind    string
	nth, of int
}

// round is one pass through the mix.
type round []step

// at returns the kind of the nth request of a trial, and which of its kind that is. Rooms and users are taken by the latter:
// taken by n itself, a kind that comes in every tenth place would only ever meet every tenth user.
func (r round) at(n int) (kind string, nth int) {
	s := r[n%len(r)]
	return s.kind, n/len(r)*s.of + s.nth
}

// order is one round of the mix, its kinds as evenly spread as their weights allow.
func order(mix []Share) round {
	total := 0
	for _, s := range mix {
		total += s.Weight
	}
	owed, made := make([]int, len(mix)), make([]int, len(mix))
	all := make(round, 0, total)
	for range total {
		most := 0
		for i, s := range mix {
			if owed[i] += s.Weight; owed[i] > owed[most] {
				most = i
			}
		}
		owed[most] -= total
		all = append(all, step{mix[most].Kind, made[most], mix[most].Weight})
		made[most]++
	}
	return all
}
