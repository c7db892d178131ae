CREATE TABLE holds (order_id TEXT PRIMARY KEY, expires_at BIGINT NOT NULL) /* clustered */;
CREATE INDEX holds_by_end ON holds (expires_at);
