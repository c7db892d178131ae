-- What orders keeps of each ticket. Capacity is decided here: the constraint is the last word on overselling.
CREATE TABLE stock (
    ticket_id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    seller_id TEXT NOT NULL,
    title TEXT NOT NULL,
    price BIGINT NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    starts_at BIGINT,
    closes_at BIGINT,
    capacity BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    clamps BIGINT NOT NULL,
    CONSTRAINT stock_within_capacity CHECK (taken >= 0 AND taken <= capacity)
) /* clustered */;

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    quantity BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    expired BOOLEAN NOT NULL,
    payment_id TEXT,
    ticket_id TEXT NOT NULL,
    ticket_title TEXT NOT NULL,
    ticket_price BIGINT NOT NULL,
    ticket_version BIGINT NOT NULL,
    seller_id TEXT NOT NULL,
    -- One `status@milliseconds` per version, so that the path can be checked later.
    history TEXT NOT NULL
) /* clustered */;
CREATE INDEX orders_by_user ON orders (user_id, id);
CREATE INDEX orders_by_seller ON orders (seller_id, id);

CREATE TABLE admissions (
    code TEXT PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (id),
    unit BIGINT NOT NULL,
    redeemed_at BIGINT,
    UNIQUE (order_id, unit)
) /* clustered */;
