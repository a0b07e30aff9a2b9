// Package lag is the one definition of lag: how long the oldest work that has arrived, and is not done, has waited. For a
// persister it is the age of the oldest write that is not answered; for a reader, such as sync, the age of the oldest
// position at or below P that a request waits for. Metrics, the admin API, the external metrics adapter, the KEDA scaler
// and the status of resources all say what this package says.
//
// A worker measures ([Meter]), writes its [Reading] into its row with the heartbeat that it sends anyway, and whoever
// scales a pool puts the readings of its workers into a [Pool] and asks for its [Pool.Signal].
//
// # Why a time, and not rows
//
// A promise to users is a time: a message is there within half a second. The number of waiting rows says nothing about
// that without knowing how fast they go, which is what changes when a machine is slow, a disk is busy or rooms are large;
// a target in rows would have to be tuned again for each. An age needs no tuning, is the same for a large and a small
// homeserver, and shows a single write that hangs, which a count never does.
//
// # Why AverageValue
//
// A HorizontalPodAutoscaler with an AverageValue divides what it is told by the target and rounds up: that many replicas.
// So it is told the mean lag of the workers times the replicas that are wanted, and the result is the replicas that are
// wanted times lag over target: twice the lag that is allowed asks for twice the workers. With a plain Value the
// autoscaler would multiply by the ready pods that it counts, which may be fewer or more than those that take part; so the
// number that is multiplied by, and the holds below, are here, where the workers are known.
//
// First, though, it compares: what is within its tolerance, a tenth unless told otherwise, of the target times the size that
// the pool's scale has as its status, is that size, and not what the division gives. So "stay" is a total of exactly the
// target times the replicas that are wanted, and the size there has to be those, too (a WorkerPool's
// status.observedReplicas). Were it the pods that there are, one more while an image is rolled out or a worker leaves, then
// from nine workers on "stay" would be one worker more, at each look; and with one that is not made yet, from eleven on one
// fewer.
//
// # Why an error, and not 0
//
// A 0 says that nothing waits, and an autoscaler that hears it takes workers away: at the very moment at which Postgres,
// the data plane or the network is away, which is when nobody measures. So what is not known is [ErrUnknown], whoever asks
// gets an error, and an autoscaler that gets one leaves replicas as they are. One worker of a pool without a reading makes
// the whole unknown, for it may be the one that is in trouble.
//
// # Why these holds
//
//   - A resize disturbs what it is judged by: shards move, a new worker has cold caches, one that leaves hands over. For
//     [Settle] after a worker joined, and while one leaves, the signal says "stay".
//   - Workers that are wanted and have not come cannot have helped yet. Until they are there the signal never asks for
//     more, or a cluster without room would be asked for all that it may give. It may ask for fewer.
//   - Writes that wait for a shard on its way from one persister to another, or for one that nobody serves, wait at whoever
//     routes them and are in no reading. Until each shard is served, a pool of persisters never shrinks. It may grow.
//   - A persister more helps only if there is a shard to give it. One stuck shard (a lock on its rows, a room that cannot be
//     computed) has an ever growing lag that no number of workers mends. So of a persister counts what a second shard
//     confirms: the age of its oldest work, but no more than the target or its second shard's age, whichever is greater. One
//     stuck shard thus counts as one at the target, and neither makes a pool grow nor lets it become smaller than that
//     worker is worth. And growth ends at the number of shards that wait longer than the target, for several may be stuck.
//     Shards of one lane wait for each other, and count as one: whatever holds one holds its lane. A worker that is short of
//     processor time, by contrast, is late in all its lanes.
//   - Readers are not bounded so: what they wait for is not owned by one of them.
package lag
