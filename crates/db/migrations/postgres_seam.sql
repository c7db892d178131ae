-- `tx` stands before `seq`: the transaction has its number before its event has a place (see feed.rs).
CREATE SEQUENCE outbox_seq;
CREATE TABLE outbox (
    tx XID8 NOT NULL DEFAULT pg_current_xact_id(),
    seq BIGINT PRIMARY KEY DEFAULT nextval('outbox_seq'),
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    aggregate TEXT NOT NULL,
    version BIGINT NOT NULL,
    payload TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    UNIQUE (aggregate, version)
);
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL,
    position BIGINT NOT NULL,
    mark TEXT NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX leases_of_owner ON leases (owner);
INSERT INTO leases VALUES ('outbox', '', 0, 0, '');
CREATE TABLE inbox (aggregate TEXT PRIMARY KEY, version BIGINT NOT NULL);
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
);
CREATE INDEX idempotency_age ON idempotency (created_at);
