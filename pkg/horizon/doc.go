// Package horizon computes and follows P, the position at or below which every committed row is visible and none will
// be added.
//
// A transaction that takes a position first registers itself in Postgres's own lock table: it holds the shared advisory
// lock 1<<62 | last_value, read before it draws its block with nextval. So the key is less than the block, and the
// server drops the lock only after the transaction has become visible or has gone.
//
// The [Announcer], one for a homeserver by a row of the table leader, asks on one session, in three statements:
//
//	S = last_value of the sequence
//	L = the smallest registered key
//	P = the greatest committed block <= min(S, L)
//
// Why no row can appear at or below P later: a block <= S was drawn before S was read, so its lock, older still, was
// either held when L was read, and then block > key >= L, or gone, and then the block is visible to the third statement
// or aborted. A block drawn after S was read is > S. Hence "<= L", not "< L": the block numbered L was drawn by someone
// who had registered before. (The very first block of a sequence has the number of its own key, 1; while it is open it
// is not committed, so P cannot name it.) P is capped by what is committed because a sequence can rewind in a crash;
// and the session must be one, because two could straddle a crash.
//
// That needs no term: whatever an announcer computes stays true, also if it was stopped for long before it says so, and
// two that announce at once only repeat each other. The term keeps the row and the work to one. The row follows P by
// [rowSpacing] at most; P is computed anew from the truth by whoever takes over.
//
// After a failover of Postgres the history may be shorter than what was announced, and a barrier begins another
// generation: it makes the sequence jump above all blocks of the life before, and takes a block there. P moves to that
// block by the same rule, under the new generation, and followers drop what they derived before ([Advance].Reset). So P
// never goes back over a barrier either, and every token of the lost history lies below it.
//
// P is told on two channels of the bus: at each round, and in digests, four times a second with the index of all since the
// last one. The [Follower] hears digests, and each P while somebody in its process waits for it ([Follower.Attend]). It fills
// what it missed from stream_block, and polls the table horizon while the bus is silent. P is fresh while nothing that was
// committed a second ago is above it. The announcer repeats a P that has not moved to say so, but not one that a block in
// flight holds back; then followers ask for the age of what waits.
package horizon
