-- What a counter was at the full ten seconds around its changes, for the picture of its last minutes. It was seen at
-- another moment, before or after; what was seen nearest stays. The key '', which no counter has, is for moments up to
-- which more counters changed than could be noted: its value says by how many changes.
CREATE TABLE samples (
    key TEXT NOT NULL,
    at BIGINT NOT NULL,
    value BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    PRIMARY KEY (key, at)
) /* clustered */;
CREATE INDEX samples_by_time ON samples (at);
