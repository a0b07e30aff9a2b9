-- A database may turn out to have another past than its workers remember: a standby was promoted, a backup restored.
-- Writes then wait for the barrier (pkg/lease). And slots and rooms may move between shards.

ALTER TABLE cluster_state ADD COLUMN map_version bigint NOT NULL DEFAULT 1; -- of slot_shard and room_shard

-- cluster_now is cluster_state next to what the server says of itself; same: they agree, so no barrier is due. It costs
-- a few microseconds.
CREATE VIEW cluster_now AS
SELECT c.database_id, c.generation, c.map_version, c.min_protocol, s.timeline, s.system_id,
       c.timeline = s.timeline AND c.system_id = s.system_id AS same
  FROM cluster_state c,
       (SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline, system_identifier AS system_id
          FROM pg_control_system()) s;

-- Builds before this one did not look at what may have happened until now.
UPDATE cluster_state c SET timeline = n.timeline, system_id = n.system_id FROM cluster_now n WHERE NOT n.same;

-- block_begin opens a block: the first statement of every transaction that takes a position. Its order is the protocol:
-- (1) register the block as in flight, (2) fence, (3) draw the number, (4) say what the block touches.
-- It raises MX001 with the lost shards in DETAIL (comma separated ids); MX002 when gen is not the database's generation;
-- MX003 while a barrier is due. VOLATILE and READ COMMITTED: each statement sees what committed before it. The generation
-- is compared after the rows are locked, as the barrier locks them too.
CREATE OR REPLACE FUNCTION block_begin(w bigint, sp text, s integer[], e bigint[], gen bigint,
                                       rooms text[], user_shards integer[], revoked bytea[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held integer[];
    n cluster_now;
    b bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared((1::bigint << 62) | last_value) FROM stream_seq;
    IF cardinality(s) > 0 THEN
        SELECT coalesce(array_agg(q.shard_id), '{}') INTO held FROM (
            SELECT l.shard_id FROM shard_lease l JOIN unnest(s, e) u(sid, ep) ON l.shard_id = u.sid
            WHERE l.space = sp AND l.owner = w AND l.epoch = u.ep
            ORDER BY l.shard_id FOR SHARE OF l) q;
        IF cardinality(held) <> cardinality(s) THEN
            RAISE EXCEPTION 'not owner' USING ERRCODE = 'MX001',
                DETAIL = (SELECT string_agg(x::text, ',' ORDER BY x) FROM unnest(s) x WHERE x <> ALL (held));
        END IF;
    END IF;
    SELECT * INTO n FROM cluster_now;
    IF NOT n.same THEN
        RAISE EXCEPTION 'the database was promoted or restored: writes wait for the barrier' USING ERRCODE = 'MX003';
    END IF;
    IF n.generation <> gen THEN
        RAISE EXCEPTION 'database generation changed' USING ERRCODE = 'MX002';
    END IF;
    b := nextval('stream_seq');
    INSERT INTO stream_block (block, shards, rooms, user_shards, revoked) VALUES (b, s, rooms, user_shards, revoked);
    RETURN b;
END $$;
