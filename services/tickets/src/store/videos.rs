//! The copies of videos.

use db::{Db, Many, Param, Tx, from_row};
use kernel::{Result, UserId, VideoId};

use crate::model::Video;

static COPY: Many = Many::new(
    "INSERT INTO videos (id, version, owner_id, title, visibility, duration, has_poster, gone) VALUES",
    "(?, ?, ?, ?, ?, ?, ?, ?)",
    "ON CONFLICT (id) DO UPDATE SET version = excluded.version, owner_id = excluded.owner_id, title = excluded.title,
        visibility = excluded.visibility, duration = excluded.duration, has_poster = excluded.has_poster,
        gone = excluded.gone
    WHERE videos.version < excluded.version",
);
const BY_ID: &str = "SELECT id, version, owner_id, title, visibility, duration, has_poster, gone
    FROM videos WHERE id = $1";
const OF_OWNER: &str = "SELECT id, version, owner_id, title, visibility, duration, has_poster, gone
    FROM videos WHERE owner_id = $1 AND NOT gone ORDER BY id DESC LIMIT $2";
const ALL: &str = "SELECT id, version, owner_id, title, visibility, duration, has_poster, gone
    FROM videos WHERE id > $1 ORDER BY id LIMIT $2";

from_row!(Video { id, version, owner_id, title, visibility, duration, has_poster, gone });

/// Copies videos, each once and in the order of their ids. What is known at a newer version stays as it is.
pub async fn copy<'a>(tx: &Tx, videos: impl Iterator<Item = &'a Video>) -> Result<()> {
    let row = |video: &'a Video| {
        let Video { id, version, owner_id, title, visibility, duration, has_poster, gone } = video;
        [id as &'a dyn Param, version, owner_id, title, visibility, duration, has_poster, gone]
    };
    let rows: Vec<&dyn Param> = videos.flat_map(row).collect();
    tx.execute_many(&COPY, &rows).await.map(drop)
}

/// A video, if tickets has heard of it.
pub async fn read(db: &Db, id: VideoId) -> Result<Option<Video>> {
    db.optional(BY_ID, &[&id]).await
}

/// Somebody's latest videos, at most `limit`, the latest first.
pub async fn of_owner(db: &Db, owner: UserId, limit: i64) -> Result<Vec<Video>> {
    db.all(OF_OWNER, &[&owner, &limit]).await
}

/// Copies after `after` in order of their ids, at most `limit`.
pub async fn after(db: &Db, after: Option<VideoId>, limit: i64) -> Result<Vec<Video>> {
    db.all(ALL, &[&after.map_or_else(String::new, |id| id.to_string()), &limit]).await
}
