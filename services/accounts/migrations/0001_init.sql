-- A user of the directory may have a name only; one who signs in has an address and a password.
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 0),
    email TEXT,
    email_key TEXT UNIQUE,
    username TEXT,
    username_key TEXT UNIQUE,
    password_hash TEXT,
    role TEXT NOT NULL CHECK (role IN ('user', 'operator')),
    created_at BIGINT NOT NULL,
    CHECK ((email IS NULL) = (email_key IS NULL)),
    CHECK ((username IS NULL) = (username_key IS NULL))
);

-- A row outlives its user, so that a process that starts later knows what was revoked.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('session', 'token')),
    device TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (id) WHERE revoked_at IS NOT NULL;
