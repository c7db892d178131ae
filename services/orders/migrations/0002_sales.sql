-- When an order was completed first, for the seller's books; it stays when the money goes back. Where the history
-- knows of it and it is not there, a Marquee from before this script wrote the row, and a job reads it out.
ALTER TABLE orders ADD COLUMN completed_at BIGINT;
CREATE INDEX orders_undated ON orders (id) WHERE completed_at IS NULL AND history LIKE '%,complete@%';

-- Only of those that were completed: a hold, of which a crowd makes many, costs nothing more.
CREATE INDEX orders_by_completion ON orders (seller_id, completed_at) WHERE completed_at IS NOT NULL;
