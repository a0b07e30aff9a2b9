-- Signing keys: this server's (public halves only: the secrets stay in the key file), and other servers'.

-- Every key that this server ever signed with or is going to.
CREATE TABLE signing_key (
    key_id       text PRIMARY KEY,                -- ed25519:version
    public_key   bytea       NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    use_from     timestamptz NOT NULL,            -- published from announced_at on, not used before
    used         boolean     NOT NULL DEFAULT false,
    retired_at   timestamptz                      -- published as old from then on
);

-- Which keys each worker has read from its key file, and which of them it signs with.
CREATE TABLE signing_key_holder (
    worker_id bigint  NOT NULL,
    key_id    text    NOT NULL,
    signs     boolean NOT NULL,
    PRIMARY KEY (worker_id, key_id)
);

-- Other servers' keys. Times are milliseconds since 1970.
CREATE TABLE server_key (
    server_name text   NOT NULL,
    key_id      text   NOT NULL,
    public_key  bytea  NOT NULL,
    as_of       bigint NOT NULL,                  -- valid_until_ts of the answer, at most 7 days after fetched_at
    expired     bigint,                           -- expired_ts; NULL while the key is in verify_keys
    fetched_at  bigint NOT NULL,
    response    bytea  NOT NULL,                  -- SHA-256 of the answer
    PRIMARY KEY (server_name, key_id)
);

-- The signed answers that server_key names, for those who ask us as a notary.
CREATE TABLE server_key_response (
    server_name text  NOT NULL,
    response    bytea NOT NULL,                   -- SHA-256 of json
    json        bytea NOT NULL,
    PRIMARY KEY (server_name, response)
);
