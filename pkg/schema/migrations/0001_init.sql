-- The first schema: leases and the fence, positions and the horizon, events and state, accounts (see ARCHITECTURE.md).

-- Which database this is, and in which life. One row.
CREATE TABLE cluster_state (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    database_id    uuid    NOT NULL DEFAULT gen_random_uuid(),
    server_name    text    NOT NULL,
    homeserver_id  text    NOT NULL,              -- namespace/name of the Homeserver resource that claimed it, or the server name
    timeline       text    NOT NULL,              -- WAL timeline, 8 hex digits
    system_id      bigint  NOT NULL,
    generation     bigint  NOT NULL DEFAULT 1,
    schema_version integer NOT NULL DEFAULT 0,    -- kept by the migrator
    min_protocol   integer NOT NULL DEFAULT 1
);

CREATE TABLE worker (
    worker_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pod        text        NOT NULL,
    addr       text        NOT NULL,              -- host:port of the internal listener
    pool       text        NOT NULL,
    roles      text[]      NOT NULL,
    protocol   integer     NOT NULL,
    state      smallint    NOT NULL,              -- 1 live, 2 leaving, 3 dead
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- No index on what changes, so that updates stay HOT.
CREATE TABLE shard_lease (
    space      text        NOT NULL,
    shard_id   integer     NOT NULL,
    owner      bigint,
    epoch      bigint      NOT NULL DEFAULT 0,
    claimed    boolean     NOT NULL DEFAULT false,
    target     bigint,
    placement  text        NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (space, shard_id)
) WITH (fillfactor = 50);

CREATE TABLE slot_shard (slot integer PRIMARY KEY, shard_id integer NOT NULL, version bigint NOT NULL DEFAULT 1);
CREATE TABLE room_shard (room_id text PRIMARY KEY, shard_id integer NOT NULL, version bigint NOT NULL DEFAULT 1);

CREATE TABLE leader (
    name       text PRIMARY KEY,
    worker_id  bigint      NOT NULL,
    term       bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

-- One sequence for all streams. CACHE 1: a block's number must be drawn after its lock was taken.
CREATE SEQUENCE stream_seq CACHE 1;

CREATE TABLE stream_block (
    block        bigint PRIMARY KEY,
    shards       integer[]   NOT NULL,
    rooms        text[]      NOT NULL,
    user_shards  integer[]   NOT NULL,
    revoked      bytea[]     NOT NULL DEFAULT '{}',   -- hashes of access tokens that this block revokes
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE horizon (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    position   bigint      NOT NULL,
    generation bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
INSERT INTO horizon (position, generation) VALUES (0, 1);

-- block_begin opens a block: the first statement of every transaction that takes a position. Its order is the protocol:
-- (1) register the block as in flight, (2) fence, (3) draw the number, (4) say what the block touches.
-- It raises MX001 with the lost shards in DETAIL (comma separated ids), or MX002 when the database is not the one the
-- lane connected to. VOLATILE and READ COMMITTED: each statement sees what committed before it.
CREATE FUNCTION block_begin(w bigint, sp text, s integer[], e bigint[], gen bigint,
                            rooms text[], user_shards integer[], revoked bytea[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held integer[];
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
    PERFORM 1 FROM cluster_state WHERE generation = gen;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'database generation changed' USING ERRCODE = 'MX002';
    END IF;
    b := nextval('stream_seq');
    INSERT INTO stream_block (block, shards, rooms, user_shards, revoked) VALUES (b, s, rooms, user_shards, revoked);
    RETURN b;
END $$;

-- What a client's write was answered with, in the write's own transaction. Pruned by dropping days.
CREATE TABLE request_dedupe (
    day       integer NOT NULL,                   -- days since 1970-01-01 UTC, database clock
    user_id   text    NOT NULL,
    device_id text    NOT NULL,                   -- '' for none
    path_hash bytea   NOT NULL,                   -- what the id is unique within: method and path
    txn_id    text    NOT NULL,
    event_id  text    NOT NULL,
    PRIMARY KEY (day, user_id, device_id, path_hash, txn_id)
) PARTITION BY RANGE (day);
CREATE TABLE request_dedupe_default PARTITION OF request_dedupe DEFAULT;

CREATE FUNCTION request_dedupe_day() RETURNS integer
LANGUAGE sql VOLATILE AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)::integer $$;

-- request_dedupe_rotate keeps a partition for each of the last two days, today and the next two, and drops older ones.
-- The default partition is a net for a day that nobody prepared; a day that fell into it stays there until it is old.
-- It waits at most 200 ms for its locks, so that it never stalls writers: called hourly, it may fail and come again.
CREATE FUNCTION request_dedupe_rotate() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    today integer := request_dedupe_day();
    name  text;
BEGIN
    SET LOCAL lock_timeout = '200ms';
    FOR d IN today..today + 2 LOOP
        name := 'request_dedupe_' || d;
        IF to_regclass(name) IS NULL AND NOT EXISTS (SELECT FROM request_dedupe_default WHERE day = d) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF request_dedupe FOR VALUES FROM (%s) TO (%s)', name, d, d + 1);
        END IF;
    END LOOP;
    FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'request_dedupe'::regclass AND c.relname ~ '^request_dedupe_[0-9]+$'
                  AND substring(c.relname FROM '[0-9]+$')::integer < today - 2 LOOP
        EXECUTE format('DROP TABLE %I', name);
    END LOOP;
    DELETE FROM request_dedupe_default WHERE day < today - 2;
END $$;

CREATE TABLE room (
    room_id  text PRIMARY KEY,
    slot     integer NOT NULL,
    version  text    NOT NULL,
    creator  text    NOT NULL,
    created  bigint  NOT NULL                     -- position of the create event
);

-- Every event. owner and epoch are the lease in force at commit (I1). json is the stored form: canonical bytes.
CREATE TABLE event (
    slot      integer NOT NULL,
    room_id   text    NOT NULL,
    position  bigint  NOT NULL,
    event_id  text    NOT NULL,
    type      text    NOT NULL,
    state_key text,
    sender    text    NOT NULL,
    depth     bigint  NOT NULL,
    shard_id  integer NOT NULL,
    owner     bigint  NOT NULL,
    epoch     bigint  NOT NULL,
    device_id text    NOT NULL DEFAULT '',        -- with txn_id: whose local echo this is
    txn_id    text    NOT NULL DEFAULT '',
    json      bytea   NOT NULL,
    PRIMARY KEY (slot, room_id, position),
    UNIQUE (slot, event_id)
) PARTITION BY RANGE (slot);
DO $$ BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE event_%s PARTITION OF event FOR VALUES FROM (%s) TO (%s)',
                       lpad(i::text, 2, '0'), i * 256, (i + 1) * 256);
    END LOOP;
END $$;

-- State as deltas along the room's chain: the state at position p is the newest row <= p of each key.
CREATE TABLE state_delta (
    slot      integer NOT NULL,
    room_id   text    NOT NULL,
    type      text    NOT NULL,
    state_key text    NOT NULL,
    position  bigint  NOT NULL,
    event_id  text    NOT NULL,
    PRIMARY KEY (slot, room_id, type, state_key, position)
);

-- The newest row of state_delta of each key.
CREATE TABLE current_state (
    room_id   text   NOT NULL,
    type      text   NOT NULL,
    state_key text   NOT NULL,
    position  bigint NOT NULL,
    event_id  text   NOT NULL,
    PRIMARY KEY (room_id, type, state_key)
) WITH (fillfactor = 80);

-- current_state's m.room.member, by user: what a sync starts from.
CREATE TABLE room_membership (
    user_id    text     NOT NULL,
    room_id    text     NOT NULL,
    user_shard smallint NOT NULL,
    membership text     NOT NULL,
    position   bigint   NOT NULL,
    event_id   text     NOT NULL,
    PRIMARY KEY (user_id, room_id)
) WITH (fillfactor = 80);
CREATE INDEX room_membership_room ON room_membership (room_id, membership);
CREATE INDEX room_membership_stream ON room_membership (user_shard, position);

CREATE TABLE account (
    user_id       text PRIMARY KEY,
    password_hash text        NOT NULL,           -- PHC string, argon2id
    admin         boolean     NOT NULL DEFAULT false,
    deactivated   boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE device (
    user_id      text NOT NULL REFERENCES account ON DELETE CASCADE,
    device_id    text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, device_id)
);
CREATE TABLE access_token (
    token_hash bytea PRIMARY KEY,                 -- SHA-256 of the token
    user_id    text NOT NULL,
    device_id  text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (user_id, device_id) REFERENCES device ON DELETE CASCADE
);
CREATE INDEX access_token_device ON access_token (user_id, device_id);
CREATE TABLE profile (user_id text PRIMARY KEY, displayname text, avatar_url text);
CREATE TABLE filter (
    user_id   text   NOT NULL,
    filter_id bigint GENERATED ALWAYS AS IDENTITY,
    hash      bytea  NOT NULL,
    json      bytea  NOT NULL,
    PRIMARY KEY (user_id, filter_id),
    UNIQUE (user_id, hash)
);
CREATE TABLE registration_token (
    token      text PRIMARY KEY,
    uses_left  integer,                           -- NULL: unlimited
    expires_at timestamptz
);
