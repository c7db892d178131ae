-- What payments keeps of each order.
CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    quantity BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    title TEXT NOT NULL,
    -- The end of the hold was announced: money in flight is settled without delay.
    expired BOOLEAN NOT NULL
) /* clustered */;

CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    order_id TEXT NOT NULL REFERENCES orders (id),
    user_id TEXT NOT NULL,
    amount BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'captured', 'refunded', 'failed')),
    refund_requested BOOLEAN NOT NULL,
    refusal TEXT,
    created_at BIGINT NOT NULL,
    -- The idempotency key of the request that waits for this payment's outcome.
    scope TEXT,
    key TEXT,
    CONSTRAINT refunds_are_asked_for CHECK (status <> 'refunded' OR refund_requested),
    CONSTRAINT refunds_are_of_captures CHECK (NOT refund_requested OR status IN ('captured', 'refunded')),
    CONSTRAINT failures_have_a_reason CHECK ((status = 'failed') = (refusal IS NOT NULL))
) /* clustered */;
-- The last word on paying twice.
CREATE UNIQUE INDEX one_payment_per_order ON payments (order_id) WHERE status <> 'failed';
CREATE INDEX payments_by_order ON payments (order_id, id);
CREATE INDEX payments_by_user ON payments (user_id, id);
CREATE INDEX payments_pending ON payments (id) WHERE status = 'pending';
CREATE INDEX payments_to_refund ON payments (id) WHERE status = 'captured' AND refund_requested = TRUE;
