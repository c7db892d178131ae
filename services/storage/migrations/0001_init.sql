-- An upload is there before its first byte; `size` is what is durable of it.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    -- What has to be given up in the bucket if its publication was broken off.
    multipart TEXT
) /* clustered */;
CREATE INDEX uploads_by_touch ON uploads (touched_at);

CREATE TABLE parts (
    upload_id TEXT NOT NULL,
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (upload_id, start)
) /* clustered */;

CREATE TABLE objects (
    id TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    -- The bucket's own tag of it, by which its reads name their version.
    tag TEXT
) /* clustered */;

-- By this id the store says whose it is; a restored copy has another.
CREATE TABLE installation (
    one BIGINT PRIMARY KEY CONSTRAINT installation_is_one CHECK (one = 1),
    id TEXT NOT NULL
);
