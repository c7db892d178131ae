-- Whoever has listed something, and whoever is gone. A seller who lists takes this row, and so does the news that they
-- are deleted: one of the two waits for the other, and so what is listed at the last moment is not left for sale.
CREATE TABLE sellers (
    user_id TEXT PRIMARY KEY,
    -- When it was heard that they are deleted.
    departed_at BIGINT,
    -- Whether there may be something of theirs to withdraw yet.
    leaving BOOLEAN NOT NULL
) /* clustered */;
CREATE INDEX sellers_leaving ON sellers (user_id) WHERE leaving;
