-- Only `value` ever changes, and it is in no index: a hot row is written over in its page.
CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) /* clustered */;
CREATE INDEX counters_by_creation ON counters (created_at, key);

-- The orders whose units were counted as sold, so that each counts once, and once back.
CREATE TABLE sold (
    order_id TEXT PRIMARY KEY,
    ticket_id TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    refunded BOOLEAN NOT NULL
) /* clustered */;
