-- A redacted event keeps its place and its id; its json is what the redaction algorithm leaves, nothing else is kept.

-- The position of the redaction that was applied first, in the same room; NULL: not redacted.
ALTER TABLE event ADD COLUMN redacted_by bigint;
