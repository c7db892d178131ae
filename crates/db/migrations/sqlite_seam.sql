CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    aggregate TEXT NOT NULL,
    version BIGINT NOT NULL,
    payload TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    UNIQUE (aggregate, version)
);
CREATE TABLE relay (position BIGINT NOT NULL);
INSERT INTO relay VALUES (0);
CREATE TABLE inbox (aggregate TEXT PRIMARY KEY, version BIGINT NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    aggregate TEXT NOT NULL,
    version BIGINT NOT NULL,
    payload TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    parked_at BIGINT NOT NULL
);
CREATE INDEX dead_letters_aggregate ON dead_letters (aggregate, version);
CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);
