CREATE TABLE videos (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    owner_id TEXT NOT NULL,
    title TEXT NOT NULL,
    -- What `/video?path=` takes: the uploaded file's name, made unique.
    path TEXT NOT NULL UNIQUE,
    visibility TEXT NOT NULL,
    size BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    -- In milliseconds.
    duration BIGINT,
    object_id TEXT NOT NULL,
    poster_id TEXT,
    poster_type TEXT,
    created_at BIGINT NOT NULL,
    -- The number of the change that made this version.
    change BIGINT NOT NULL
) /* clustered */;
CREATE INDEX videos_by_owner ON videos (owner_id, id);
CREATE INDEX videos_by_object ON videos (object_id);
CREATE INDEX videos_by_poster ON videos (poster_id);
-- What others may see: most videos are private.
CREATE INDEX videos_shown ON videos (id) WHERE visibility <> 'private';

-- Counts the changes of all videos, in the order of their commits: who changes one holds this row until then.
CREATE TABLE changes (
    id BIGINT PRIMARY KEY,
    latest BIGINT NOT NULL
);
INSERT INTO changes (id, latest) VALUES (1, 0);

CREATE TABLE captions (
    video_id TEXT NOT NULL,
    lang TEXT NOT NULL,
    object_id TEXT NOT NULL,
    PRIMARY KEY (video_id, lang)
) /* clustered */;
CREATE INDEX captions_by_object ON captions (object_id);

-- What posters and captions count for in the quota of whoever gave them to their videos.
CREATE TABLE attachments (
    object_id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    size BIGINT NOT NULL
) /* clustered */;
CREATE INDEX attachments_by_owner ON attachments (owner_id);

-- What is being uploaded. The row is there before storage hears of the object, so nothing is ever kept that nobody
-- knows of. The id of an upload becomes that of its video.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    object_id TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    -- `once`: by one request, and worth nothing without it; `resumable`: by as many as it takes; `attached`: a poster or
    -- captions, at hand.
    kind TEXT NOT NULL,
    -- What it counts for in its owner's quota; of a resumable one, how long it will be.
    length BIGINT NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    visibility TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Why it did not become a video, once that is known.
    refused TEXT,
    -- `Upload-Metadata` of a resumable one, as it was given.
    metadata TEXT,
    -- Whoever finishes it has it until then; where that failed, it rests until then.
    finishing_until BIGINT NOT NULL,
    -- How often that has failed.
    failures BIGINT NOT NULL,
    -- Whether all of it is here: then its end stays as it is, whoever asks for it.
    is_whole BOOLEAN NOT NULL
) /* clustered */;
CREATE INDEX uploads_by_owner ON uploads (owner_id, id);
CREATE INDEX uploads_by_end ON uploads (expires_at);
CREATE INDEX uploads_by_object ON uploads (object_id);

-- Objects that are to be let go.
CREATE TABLE removals (
    object_id TEXT PRIMARY KEY,
    since BIGINT NOT NULL
) /* clustered */;

-- What streaming knows of tickets and orders: who may watch.
CREATE TABLE tickets (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    seller_id TEXT NOT NULL,
    title TEXT NOT NULL,
    video_id TEXT,
    withdrawn BOOLEAN NOT NULL,
    opens_at BIGINT,
    closes_at BIGINT
) /* clustered */;
CREATE INDEX tickets_by_video ON tickets (video_id);

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    status TEXT NOT NULL
) /* clustered */;
CREATE INDEX orders_by_user ON orders (user_id, ticket_id);
CREATE INDEX orders_by_ticket ON orders (ticket_id);

-- Who watched what, and how far: one row a viewer and video, of its last sitting.
CREATE TABLE sittings (
    -- A user's id, or what tells viewers without one apart for a while.
    viewer TEXT NOT NULL,
    video_id TEXT NOT NULL,
    user_id TEXT,
    play_id TEXT NOT NULL,
    -- By which order they were admitted last, if it took one; and how often by another than before in this play.
    order_id TEXT,
    play_version BIGINT NOT NULL,
    -- When it was first watched, as far as that is not forgotten.
    began_at BIGINT NOT NULL,
    watched_at BIGINT NOT NULL,
    -- In milliseconds: where to go on, and how much was played.
    position BIGINT NOT NULL,
    played BIGINT NOT NULL,
    -- Whether a player says where its viewer is; what is delivered runs ahead of that.
    told BOOLEAN NOT NULL,
    -- Its viewer has it forgotten. The row stays until the pause is over, so that who goes on at once is one play.
    forgotten BOOLEAN NOT NULL,
    PRIMARY KEY (viewer, video_id)
) /* clustered */;
CREATE INDEX sittings_by_user ON sittings (user_id, began_at, video_id);
CREATE INDEX sittings_by_video ON sittings (video_id);
CREATE INDEX sittings_forgotten ON sittings (watched_at) WHERE forgotten;

-- Users who are gone: their uploads end, and their videos when no ticket admits to them any more.
CREATE TABLE departed (user_id TEXT PRIMARY KEY) /* clustered */;
