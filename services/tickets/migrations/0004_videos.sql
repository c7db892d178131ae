-- What tickets keeps of each video, to know whose it is and to say what a ticket admits to. One that is deleted stays
-- as gone: an event of before does not bring it back, and a ticket for it says why nothing is to be seen.
CREATE TABLE videos (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    owner_id TEXT NOT NULL,
    title TEXT NOT NULL,
    visibility TEXT NOT NULL,
    -- In milliseconds.
    duration BIGINT,
    has_poster BOOLEAN NOT NULL,
    gone BOOLEAN NOT NULL
) /* clustered */;
CREATE INDEX videos_by_owner ON videos (owner_id, id) WHERE NOT gone;
