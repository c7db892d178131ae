-- When an order that admits to a video was watched first: it is used from then on.
ALTER TABLE orders ADD COLUMN watched_at BIGINT;

-- The video that a ticket admits to, and from when. A Marquee from before this script had no videos, so there is nothing
-- to fetch for the tickets that it copied.
ALTER TABLE stock ADD COLUMN video_id TEXT;
ALTER TABLE stock ADD COLUMN opens_at BIGINT;
