-- Mail that is to be sent: there from the transaction that asked for it until it has gone, or never will. Whom a reset
-- is for is looked up when it is sent, so that asking for it is the same whether or not there is somebody.
CREATE TABLE mails (
    id TEXT PRIMARY KEY,
    user_id TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('verification', 'reset')),
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL CHECK (attempts >= 0)
);
CREATE INDEX mails_by_next ON mails (next_at, id);
CREATE INDEX mails_of_user ON mails (user_id);

-- What a mail's link proves, by the SHA-256 of its code: the code itself is in the mail alone.
CREATE TABLE mail_codes (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('verification', 'reset')),
    email_key TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX mail_codes_of_user ON mail_codes (user_id, kind);
CREATE INDEX mail_codes_by_end ON mail_codes (expires_at);

-- The address that somebody has shown to be theirs; it counts while they have it.
CREATE TABLE verified_emails (
    user_id TEXT PRIMARY KEY,
    email_key TEXT NOT NULL,
    verified_at BIGINT NOT NULL
);
