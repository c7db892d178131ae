CREATE TABLE tickets (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    title TEXT NOT NULL,
    price BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    starts_at BIGINT,
    video_id TEXT,
    opens_at BIGINT,
    closes_at BIGINT,
    -- A copy of what orders decides; it may lag by milliseconds.
    taken BIGINT NOT NULL,
    order_id TEXT
) /* clustered */;
CREATE INDEX tickets_by_user ON tickets (user_id, id);
CREATE INDEX tickets_on_sale ON tickets (id) WHERE NOT withdrawn AND taken < capacity;

-- How much each order holds, so that an order's event counts once.
CREATE TABLE holds (order_id TEXT PRIMARY KEY, ticket_id TEXT NOT NULL, quantity BIGINT NOT NULL) /* clustered */;
