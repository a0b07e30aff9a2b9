// Package route brings a request to the worker that must or can serve it, and hides from the client that workers come,
// go and die meanwhile.
//
// A request for a room goes to the owner of the room's shard; one for a user to the worker that rendezvous picks for the
// user's shard among those with the role; any other to a worker with the role, this one if it can. The request is held
// in memory until it is answered, so it can be sent again. Sending again is safe: writes are deduplicated by the
// client's transaction id or by the request id that the gateway stamped.
//
//   - Nobody serves the shard, or its owner does not answer: the request is parked, and looks again when the lease table
//     changes, at least every 5 to 100 ms, for 25 s. Parking is bounded per shard and in all; beyond that the answer is
//     429.
//   - 421 from a worker that gave the shard away: its hint is followed if its epoch is greater than the known one.
//   - A dial that is refused makes the worker suspect; the lease manager confirms that and takes over. So does another
//     worker's id in an answer, or none: the address has been reused.
//   - A worker that the table no longer lists gets its pending requests taken away from it; so does one that lives but
//     has lost the shard to another for half a second.
//   - A worker that works on a request pulses (pulse.go). If it is silent for 1 s, or sends half of an answer and no more,
//     it is suspect; after 2 s the attempt is given up and the request sent again, on a new connection: the process hangs,
//     or the network is cut. Who owns no room is asked to pulse less often, and has 6 and 12 s.
//     A cut network ends the connection itself, too (package network).
//   - No live worker has the role: 503 with a retry hint, at once, after a look at the database (truth.go); but if one died
//     within the last seconds, instead of leaving, the request waits for it to come back.
package route
