-- When and why a worker was declared dead: the bound on how many may be so in a short time counts them.
ALTER TABLE worker
    ADD COLUMN died_at timestamptz,               -- database clock; NULL: lives, or left by itself
    ADD COLUMN died_of text;                      -- the evidence
