// Package stateres merges the states of a room where its history forked: the state resolution algorithms of the room
// version pages, as pure functions of the states and of the events that they name.
//
// [Resolve] chooses the algorithm by the room's version: "1" is that of room version 1 (v1.go), "2" that of room
// versions 2 to 11, "2.1" that of room version 12 (v2.go). The last two differ in where checking starts and in which
// events are gone through again.
//
// # Cost
//
// With n events in the auth chains of the states, s the size of the states and c the events to go through again, a
// resolution takes O(s + n + c log c) for each 64 states, and asks for each event at most once: first for the auth
// chains of what is in conflict, one call a level of the chain. Only if some event there may belong to the auth chains of
// all states does it follow the chains of the other events too, until that is known.
//
// # Readings
//
// Servers have to come to the same state, or the room falls apart. So where the text has a gap, or all servers that are
// known do otherwise, the authors of the algorithm among them, it is done as they do:
//
//   - Auth difference: an event of a state counts as part of that state's auth chain, so that no event that is in all
//     states is gone through again for its sake. By the letter, an event is not in its own auth chain.
//   - Reverse topological power ordering: auth chains are followed only through events of the full conflicted set. By the
//     letter, also through others; in version "2.1" there are none, since the conflicted state subgraph is in the set.
//   - Version "1": conflicts of one type do not see each other's outcome. Of other events, none of which passes, the one
//     with the least depth stays.
//
// Rejected events are treated by the letter: see [Rejected].
package stateres
