-- A cordoned worker keeps its shards and is given no others. Builds before this one do not look at it.
ALTER TABLE worker ADD COLUMN cordoned boolean NOT NULL DEFAULT false;
