CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL,
    position BIGINT NOT NULL,
    mark TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO leases SELECT 'outbox', '', 0, position, '' FROM relay;
DROP TABLE relay;
