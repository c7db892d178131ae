-- One row per payment that the gateway has heard of. The first word on a key is the last one.
CREATE TABLE ledger (
    key TEXT PRIMARY KEY,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    -- Why no money moved; NULL if it did.
    refusal TEXT,
    refunded BIGINT NOT NULL,
    CONSTRAINT no_more_back_than_came CHECK (refunded = 0 OR (refunded = amount AND refusal IS NULL))
);
