-- What a worker last measured of its lag, in milliseconds by role (pkg/lag.Reading), written by its heartbeat. NULL: unknown,
-- as for workers of builds before this one, which neither write nor read it.
ALTER TABLE worker ADD COLUMN lag jsonb;
