-- The title as a search compares it: folded by the service, for no two engines agree on lower case beyond ASCII.
-- It belongs to the version in key_version. Where that is not the ticket's own, a Marquee from before this script
-- wrote the row, and a job folds it.
ALTER TABLE tickets ADD COLUMN title_key TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN key_version BIGINT NOT NULL DEFAULT -1;
CREATE INDEX tickets_unfolded ON tickets (id) WHERE key_version <> version;
CREATE INDEX tickets_soonest ON tickets (starts_at, id) WHERE NOT withdrawn AND taken < capacity;
CREATE INDEX tickets_by_price ON tickets (price, id) WHERE NOT withdrawn AND taken < capacity;
