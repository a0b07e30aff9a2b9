package persister

// The statements of a block, in the order in which they are sent. Those without rows are left out. The first raises if
// the block must not be written: a pipeline cannot look at its own results.
const (
	sqlBegin = `SELECT block_begin($1, 'room', $2::integer[], $3::bigint[], $4, $5::text[], $6::integer[], '{}'::bytea[])`

	sqlEvents = `INSERT INTO event (slot, room_id, position, event_id, type, state_key, sender, depth, shard_id, owner, epoch,
			device_id, txn_id, json)
		SELECT slot, room_id, (currval('stream_seq') << 10) | i, event_id, type, state_key, sender, depth, shard_id, $1, epoch,
			device_id, txn_id, json
		FROM unnest($2::integer[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
			$10::integer[], $11::bigint[], $12::text[], $13::text[], $14::bytea[])
			AS e(slot, room_id, i, event_id, type, state_key, sender, depth, shard_id, epoch, device_id, txn_id, json)`

	// Of several redactions of an event the first counts as the one.
	sqlRedactions = `UPDATE event e SET json = r.json, redacted_by = coalesce(e.redacted_by, (currval('stream_seq') << 10) | r.i)
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) AS r(slot, room_id, event_id, i, json)
		WHERE e.slot = r.slot AND e.room_id = r.room_id AND e.event_id = r.event_id`

	sqlDeltas = `INSERT INTO state_delta (slot, room_id, type, state_key, position, event_id)
		SELECT slot, room_id, type, state_key, (currval('stream_seq') << 10) | i, event_id
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
			AS d(slot, room_id, type, state_key, i, event_id)`

	sqlState = `INSERT INTO current_state (room_id, type, state_key, position, event_id)
		SELECT room_id, type, state_key, (currval('stream_seq') << 10) | i, event_id
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) AS s(room_id, type, state_key, i, event_id)
		ON CONFLICT (room_id, type, state_key) DO UPDATE SET position = excluded.position, event_id = excluded.event_id`

	sqlMemberships = `INSERT INTO room_membership (user_id, room_id, user_shard, membership, position, event_id)
		SELECT user_id, room_id, user_shard, membership, (currval('stream_seq') << 10) | i, event_id
		FROM unnest($1::text[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::text[])
			AS m(user_id, room_id, user_shard, membership, i, event_id)
		ON CONFLICT (user_id, room_id) DO UPDATE SET membership = excluded.membership, position = excluded.position,
			event_id = excluded.event_id`

	sqlRooms = `INSERT INTO room (room_id, slot, version, creator, created)
		SELECT room_id, slot, version, creator, (currval('stream_seq') << 10) | i
		FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[]) AS r(room_id, slot, version, creator, i)`

	// A key that was answered on an earlier day is written on that day again, where the unique index refuses it. Days are
	// compared with = alone: with = ANY, Postgres 15 prunes the default partition though it holds one of the days.
	sqlDedupe = `WITH today AS MATERIALIZED (SELECT request_dedupe_day() AS day)
		INSERT INTO request_dedupe (day, user_id, device_id, path_hash, txn_id, event_id)
		SELECT coalesce(
				(SELECT d.day FROM request_dedupe d WHERE d.day = today.day - 1 AND d.user_id = k.user_id
					AND d.device_id = k.device_id AND d.path_hash = k.path_hash AND d.txn_id = k.txn_id),
				(SELECT d.day FROM request_dedupe d WHERE d.day = today.day - 2 AND d.user_id = k.user_id
					AND d.device_id = k.device_id AND d.path_hash = k.path_hash AND d.txn_id = k.txn_id),
				today.day),
			k.user_id, k.device_id, k.path_hash, k.txn_id, k.event_id
		FROM today, unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[])
			AS k(user_id, device_id, path_hash, txn_id, event_id)`
)

// sqlLook finds an event of a block whose outcome was unknown, wherever it stands.
const sqlLook = `SELECT position FROM event WHERE slot = $1 AND event_id = $2`

const sqlGeneration = `SELECT generation FROM cluster_state`

// What the loader and the committer read.
const (
	sqlLoadRooms = `SELECT r.room_id, r.version, h.position, h.event_id, h.json
		FROM unnest($1::text[], $2::integer[]) AS w(room_id, slot) JOIN room r ON r.room_id = w.room_id
		CROSS JOIN LATERAL (SELECT e.position, e.event_id, e.json FROM event e
			WHERE e.slot = w.slot AND e.room_id = w.room_id ORDER BY e.position DESC LIMIT 1) h`

	sqlLoadState = `SELECT s.room_id, e.event_id, e.json
		FROM unnest($1::text[], $2::integer[]) AS w(room_id, slot) JOIN current_state s ON s.room_id = w.room_id
		JOIN event e ON e.slot = w.slot AND e.room_id = s.room_id AND e.position = s.position`

	// What came to the rooms from a position on, that one's event included, at most so many each.
	sqlSince = `SELECT e.room_id, e.position, e.event_id, e.json
		FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS w(room_id, slot, since)
		CROSS JOIN LATERAL (SELECT * FROM event e WHERE e.slot = w.slot AND e.room_id = w.room_id AND e.position >= w.since
			ORDER BY e.position LIMIT $4) e
		ORDER BY e.position`

	sqlRepeated = `WITH today AS MATERIALIZED (SELECT request_dedupe_day() AS day)
		SELECT k.i, d.event_id
		FROM today CROSS JOIN generate_series(today.day - 2, today.day) AS days(day)
		CROSS JOIN unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) WITH ORDINALITY
			AS k(user_id, device_id, path_hash, txn_id, i)
		JOIN request_dedupe d ON d.day = days.day AND d.user_id = k.user_id AND d.device_id = k.device_id
			AND d.path_hash = k.path_hash AND d.txn_id = k.txn_id`
)
