package main

// leaseLog lets Postgres note each change of a lease's owner or epoch, and of the map from rooms to shards, with the newest
// block's number at that moment. The shards' rows are locked then, and every block locks its rows before it draws its
// number: so a block with a greater number was begun after the change, and one with a smaller or the same number before it.
const leaseLog = `
CREATE TABLE IF NOT EXISTS chaos_lease (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space    text NOT NULL, shard_id integer NOT NULL,
    owner    bigint, epoch bigint NOT NULL, old_epoch bigint NOT NULL,
    drawn    bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE OR REPLACE FUNCTION chaos_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_lease (space, shard_id, owner, epoch, old_epoch, drawn)
    SELECT NEW.space, NEW.shard_id, NEW.owner, NEW.epoch, OLD.epoch, CASE WHEN is_called THEN last_value ELSE 0 END FROM stream_seq;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_lease AFTER UPDATE ON shard_lease FOR EACH ROW
    WHEN (OLD.owner IS DISTINCT FROM NEW.owner OR OLD.epoch <> NEW.epoch) EXECUTE FUNCTION chaos_lease();
CREATE TABLE IF NOT EXISTS chaos_map (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot     integer, room_id text,               -- one of them
    shard_id integer NOT NULL, old_shard integer,
    drawn    bigint NOT NULL
);
CREATE OR REPLACE FUNCTION chaos_map() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_map (slot, room_id, shard_id, old_shard, drawn)
    SELECT (to_jsonb(NEW) ->> 'slot')::integer, to_jsonb(NEW) ->> 'room_id', NEW.shard_id, OLD.shard_id, CASE WHEN is_called THEN last_value ELSE 0 END
    FROM stream_seq;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_map AFTER UPDATE ON slot_shard FOR EACH ROW EXECUTE FUNCTION chaos_map();
CREATE OR REPLACE TRIGGER chaos_map AFTER INSERT OR UPDATE ON room_shard FOR EACH ROW EXECUTE FUNCTION chaos_map();
`

// brokenEpochs finds steps that do not let an epoch grow (I2).
const brokenEpochs = `
SELECT format('shard %s went from epoch %s to %s', shard_id, old_epoch, epoch) FROM chaos_lease WHERE epoch <= old_epoch`

// brokenFences finds events that do not carry the lease and the shard that were in force at their commit (I1).
const brokenFences = `
WITH term AS (
    SELECT shard_id, owner, epoch, drawn, lead(drawn) OVER (PARTITION BY shard_id ORDER BY n) AS until
    FROM chaos_lease WHERE space = 'room')
SELECT format('%s at block %s was written by %s in epoch %s of shard %s; it was %s''s for blocks above %s up to %s',
              e.event_id, e.position >> 10, e.owner, e.epoch, e.shard_id, t.owner, t.drawn, t.until)
FROM event e
LEFT JOIN term t ON t.shard_id = e.shard_id AND t.epoch = e.epoch
WHERE e.position > 0 AND (t.owner IS DISTINCT FROM e.owner OR e.position >> 10 <= t.drawn OR e.position >> 10 > t.until)
UNION ALL
SELECT format('%s at block %s carries shard %s, and its room was in %s', event_id, position >> 10, shard_id, mapped) FROM (
    SELECT e.*, coalesce(
        (SELECT m.shard_id FROM chaos_map m WHERE m.room_id = e.room_id AND m.drawn < e.position >> 10 ORDER BY n DESC LIMIT 1),
        (SELECT m.shard_id FROM chaos_map m WHERE m.slot = e.slot AND m.drawn < e.position >> 10 ORDER BY n DESC LIMIT 1),
        (SELECT m.old_shard FROM chaos_map m WHERE m.slot = e.slot ORDER BY n LIMIT 1),
        (SELECT s.shard_id FROM slot_shard s WHERE s.slot = e.slot)) AS mapped
    FROM event e WHERE position > 0) e
WHERE mapped <> shard_id`

// brokenKeys finds requests that were answered by two events (I4).
const brokenKeys = `
SELECT format('%s %s is the key of %s events', user_id, txn_id, count(DISTINCT event_id)) FROM request_dedupe
GROUP BY user_id, device_id, path_hash, txn_id HAVING count(DISTINCT event_id) > 1
UNION ALL
SELECT format('%s of %s in %s is the transaction of %s events', txn_id, device_id, room_id, count(*)) FROM event
WHERE txn_id <> '' AND type = 'm.room.message' GROUP BY txn_id, device_id, room_id, sender HAVING count(*) > 1`

// brokenOrder finds events whose position is not that of a block, or whose block did not name their room (I5, I7).
const brokenOrder = `
SELECT format('%s in %s has position %s, and its block is unknown or does not name the room', e.event_id, e.room_id, e.position)
FROM event e LEFT JOIN stream_block b ON b.block = e.position >> 10
WHERE e.position > 0 AND (b.block IS NULL OR NOT e.room_id = ANY (b.rooms))`
