//! All of this service's SQL: the catalogue here, the rest below.

pub mod admissions;
pub mod sittings;
pub mod uploads;

use cache::Read;
use contracts::Event;
use db::{Db, FromRow, Param, Row, Tx};
use kernel::{Error, ObjectId, Result, UserId, VideoId};
use web::Span;

use crate::known::LookUp;
use crate::model::{Poster, Video};

const COUNT: &str = "UPDATE changes SET latest = latest + 1 WHERE id = 1 RETURNING latest";
const LOCK: &str = "UPDATE changes SET latest = latest WHERE id = 1";
const INSERT: &str =
    "INSERT INTO videos (id, version, owner_id, title, path, visibility, size, content_type, duration,
        object_id, poster_id, poster_type, created_at, change)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const UPDATE: &str =
    "UPDATE videos SET version = $2, title = $3, visibility = $4, poster_id = $5, poster_type = $6,
        change = $7 WHERE id = $1 AND version = $2 - 1";
const DELETE: &str = "DELETE FROM videos WHERE id = $1";
const TAKEN: &str = "SELECT id FROM videos WHERE path = $1";
const BY_ID: &str =
    "SELECT id, version, owner_id, title, path, visibility, size, content_type, duration, object_id,
        poster_id, poster_type, created_at, change FROM videos WHERE id = $1";
const LOOK_UP_ID: &str =
    "SELECT v.id, v.version, v.owner_id, v.title, v.path, v.visibility, v.size, v.content_type,
        v.duration, v.object_id, v.poster_id, v.poster_type, v.created_at, v.change, c.latest
    FROM changes c LEFT JOIN videos v ON v.id = $1";
const LOOK_UP_PATH: &str =
    "SELECT v.id, v.version, v.owner_id, v.title, v.path, v.visibility, v.size, v.content_type,
        v.duration, v.object_id, v.poster_id, v.poster_type, v.created_at, v.change, c.latest
    FROM changes c LEFT JOIN videos v ON v.path = $1";
/// What is private is not walked past: its owner's comes by an index of theirs.
const SHOWN: &str =
    "SELECT id, version, owner_id, title, path, visibility, size, content_type, duration, object_id,
        poster_id, poster_type, created_at, change FROM videos WHERE visibility <> 'private' AND id > $1
    UNION ALL SELECT id, version, owner_id, title, path, visibility, size, content_type, duration, object_id,
        poster_id, poster_type, created_at, change FROM videos
    WHERE owner_id = $3 AND visibility = 'private' AND id > $1 ORDER BY id LIMIT $2";
const SHOWN_LATEST: &str =
    "SELECT id, version, owner_id, title, path, visibility, size, content_type, duration,
        object_id, poster_id, poster_type, created_at, change FROM videos WHERE visibility <> 'private' AND id < $1
    UNION ALL SELECT id, version, owner_id, title, path, visibility, size, content_type, duration, object_id,
        poster_id, poster_type, created_at, change FROM videos
    WHERE owner_id = $3 AND visibility = 'private' AND id < $1 ORDER BY id DESC LIMIT $2";
const OF_OWNER: &str = "SELECT id, version, owner_id, title, path, visibility, size, content_type, duration, object_id,
        poster_id, poster_type, created_at, change FROM videos WHERE owner_id = $3 AND id > $1 ORDER BY id LIMIT $2";
const OF_OWNER_LATEST: &str =
    "SELECT id, version, owner_id, title, path, visibility, size, content_type, duration,
        object_id, poster_id, poster_type, created_at, change FROM videos
    WHERE owner_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
const ALL: &str =
    "SELECT id, version, owner_id, title, path, visibility, size, content_type, duration, object_id,
        poster_id, poster_type, created_at, change FROM videos WHERE id > $1 ORDER BY id LIMIT $2";
const CAPTIONS: &str = "SELECT lang, object_id FROM captions WHERE video_id = $1 ORDER BY lang LIMIT 100";
const CAPTION: &str = "SELECT object_id FROM captions WHERE video_id = $1 AND lang = $2";
const SET_CAPTION: &str = "INSERT INTO captions (video_id, lang, object_id) VALUES ($1, $2, $3)
    ON CONFLICT (video_id, lang) DO UPDATE SET object_id = excluded.object_id";
const DROP_CAPTION: &str = "DELETE FROM captions WHERE video_id = $1 AND lang = $2";
const DROP_CAPTIONS: &str = "DELETE FROM captions WHERE video_id = $1 RETURNING object_id";
const REMOVE: &str =
    "INSERT INTO removals (object_id, since) VALUES ($1, $2) ON CONFLICT (object_id) DO NOTHING";
const DETACH: &str = "DELETE FROM attachments WHERE object_id = $1";
const REMOVED: &str = "DELETE FROM removals WHERE object_id = $1";
const STAYS: &str = "UPDATE removals SET since = $2 WHERE object_id = $1";
const REMOVALS: &str = "SELECT object_id FROM removals ORDER BY since LIMIT $1";
/// Whether anything here speaks of an object.
const IS_KNOWN: &str = "SELECT object_id FROM videos WHERE object_id = $1
    UNION ALL SELECT poster_id FROM videos WHERE poster_id = $1
    UNION ALL SELECT object_id FROM captions WHERE object_id = $1
    UNION ALL SELECT object_id FROM uploads WHERE object_id = $1
    UNION ALL SELECT object_id FROM removals WHERE object_id = $1 LIMIT 1";
const ANY: &str = "SELECT id FROM videos LIMIT 1";
const DEPART: &str = "INSERT INTO departed (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING";
/// Those who have videos that are kept for nobody.
const DEPARTED: &str = "SELECT d.user_id FROM departed d
    WHERE EXISTS (SELECT 1 FROM videos v WHERE v.owner_id = d.user_id AND (v.visibility <> 'ticket'
        OR NOT EXISTS (SELECT 1 FROM tickets t JOIN orders o ON o.ticket_id = t.id
            WHERE t.video_id = v.id AND t.seller_id = v.owner_id AND o.status <> 'cancelled'
                AND (t.closes_at IS NULL OR t.closes_at > $1))))
    ORDER BY d.user_id LIMIT $2";
const IS_DEPARTED: &str = "SELECT user_id FROM departed WHERE user_id = $1";
const OF_DEPARTED: &str =
    "SELECT v.id, v.version, v.owner_id, v.title, v.path, v.visibility, v.size, v.content_type,
        v.duration, v.object_id, v.poster_id, v.poster_type, v.created_at, v.change FROM videos v
    WHERE v.owner_id = $1 AND (v.visibility <> 'ticket'
        OR NOT EXISTS (SELECT 1 FROM tickets t JOIN orders o ON o.ticket_id = t.id
            WHERE t.video_id = v.id AND t.seller_id = v.owner_id AND o.status <> 'cancelled'
                AND (t.closes_at IS NULL OR t.closes_at > $2)))
    ORDER BY v.id LIMIT $3";

impl FromRow for Video {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            version: row.get(1)?,
            owner_id: row.get(2)?,
            title: row.get(3)?,
            path: row.get(4)?,
            visibility: row.get(5)?,
            size: row.get(6)?,
            content_type: row.get(7)?,
            duration: row.get(8)?,
            object_id: row.get(9)?,
            poster: match (row.get(10)?, row.get(11)?) {
                (Some(object_id), Some(content_type)) => Some(Poster { object_id, content_type }),
                _ => None,
            },
            created_at: row.get(12)?,
            change: row.get(13)?,
        })
    }
}

struct Looked(Read<Video>);

impl FromRow for Looked {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let value = match row.get::<Option<VideoId>>(0)? {
            Some(_) => Some(Video::from_row(row)?),
            None => None,
        };
        Ok(Self(Read { value, stamp: row.get(14)? }))
    }
}

/// Has whoever else changes a video wait until this transaction is over.
pub async fn lock(tx: &Tx) -> Result<()> {
    tx.execute(LOCK, &[]).await.map(drop)
}

/// The number of a change, which nobody else has.
async fn count(tx: &Tx) -> Result<i64> {
    let (number,) = tx.one(COUNT, &[]).await?;
    Ok(number)
}

/// Puts a video into the catalogue and announces it; answers it with the number of its change.
pub async fn insert(tx: &Tx, video: &Video) -> Result<Video> {
    let video = Video { change: count(tx).await?, ..video.clone() };
    let Video {
        id, version, owner_id, title, path, visibility, size, content_type, duration, object_id, ..
    } = &video;
    let (poster, poster_type) = poster(&video);
    tx.execute(
        INSERT,
        &[
            id,
            version,
            owner_id,
            title,
            path,
            visibility,
            size,
            content_type,
            duration,
            object_id,
            &poster,
            &poster_type,
            &video.created_at,
            &video.change,
        ],
    )
    .await?;
    tx.emit(&Event::VideoCreated(video.state())).await?;
    Ok(video)
}

/// Stores the next version of a video and announces it; answers it with the number of its change.
pub async fn update(tx: &Tx, next: &Video) -> Result<Video> {
    let next = Video { change: count(tx).await?, ..next.clone() };
    let (poster, poster_type) = poster(&next);
    let Video { id, version, title, visibility, change, .. } = &next;
    if tx.execute(UPDATE, &[id, version, title, visibility, &poster, &poster_type, change]).await? == 0 {
        return Err(Error::contended("a video has changed meanwhile"));
    }
    tx.emit(&Event::VideoUpdated(next.state())).await?;
    Ok(next)
}

/// Takes a video out of the catalogue and announces it; its objects are to be let go. Answers its last version.
pub async fn delete(tx: &Tx, video: &Video) -> Result<Video> {
    let last = Video { change: count(tx).await?, ..video.next() };
    if tx.execute(DELETE, &[&video.id]).await? == 0 {
        return Err(Error::not_found());
    }
    let captions: Vec<(ObjectId,)> = tx.all(DROP_CAPTIONS, &[&video.id]).await?;
    let objects = captions.into_iter().map(|(id,)| id).chain([video.object_id]);
    for object in objects.chain(video.poster.as_ref().map(|poster| poster.object_id)) {
        remove(tx, object).await?;
    }
    sittings::forget(tx, video.id).await?;
    tx.emit(&Event::VideoDeleted(last.state())).await?;
    Ok(last)
}

fn poster(video: &Video) -> (Option<ObjectId>, Option<&str>) {
    let poster = video.poster.as_ref();
    (poster.map(|poster| poster.object_id), poster.map(|poster| poster.content_type.as_str()))
}

/// Whether a path is taken.
pub async fn is_taken(tx: &Tx, path: &str) -> Result<bool> {
    Ok(tx.optional::<(VideoId,)>(TAKEN, &[&path]).await?.is_some())
}

/// A video, in a transaction that changes it.
pub async fn find(tx: &Tx, id: VideoId) -> Result<Video> {
    tx.optional(BY_ID, &[&id]).await?.ok_or_else(Error::not_found)
}

/// A video, as of the last change.
pub async fn look_up(db: &Db, key: &LookUp) -> Result<Read<Video>> {
    let Looked(read) = match key {
        LookUp::Id(id) => db.one(LOOK_UP_ID, &[id]).await?,
        LookUp::Path(path) => db.one(LOOK_UP_PATH, &[path]).await?,
    };
    Ok(read)
}

/// Videos that `viewer` may see.
pub async fn shown(db: &Db, viewer: Option<UserId>, span: &Span<VideoId>) -> Result<Vec<Video>> {
    let sql = if span.descending { SHOWN_LATEST } else { SHOWN };
    // Nobody's id is empty.
    let viewer = viewer.map_or_else(String::new, |user| user.to_string());
    db.all(sql, &[&span.start(), &span.limit, &viewer]).await
}

/// Somebody's videos.
pub async fn of_owner(db: &Db, owner: UserId, span: &Span<VideoId>) -> Result<Vec<Video>> {
    let sql = if span.descending { OF_OWNER_LATEST } else { OF_OWNER };
    db.all(sql, &[&span.start(), &span.limit, &owner]).await
}

/// All videos.
pub async fn all(db: &Db, span: &Span<VideoId>) -> Result<Vec<Video>> {
    db.all(ALL, &[&span.start(), &span.limit]).await
}

/// Whether there is any video at all.
pub async fn any(db: &Db) -> Result<bool> {
    Ok(db.optional::<(VideoId,)>(ANY, &[]).await?.is_some())
}

/// A video's captions, by language.
pub async fn captions(db: &Db, video: VideoId) -> Result<Vec<(String, ObjectId)>> {
    db.all(CAPTIONS, &[&video]).await
}

/// A video's captions in one language.
pub async fn caption(db: &Db, video: VideoId, lang: &str) -> Result<Option<ObjectId>> {
    Ok(db.optional::<(ObjectId,)>(CAPTION, &[&video, &lang]).await?.map(|(object,)| object))
}

/// In how many languages a video has captions.
pub async fn captions_in(tx: &Tx, video: VideoId) -> Result<usize> {
    Ok(tx.all::<(String, ObjectId)>(CAPTIONS, &[&video]).await?.len())
}

/// Sets or drops (`None`) captions; what was there is to be let go. False if there was nothing to drop.
pub async fn set_caption(tx: &Tx, video: VideoId, lang: &str, object: Option<ObjectId>) -> Result<bool> {
    let old: Option<(ObjectId,)> = tx.optional(CAPTION, &[&video, &lang]).await?;
    if let Some((old,)) = old {
        remove(tx, old).await?;
    }
    match object {
        Some(object) => tx.execute(SET_CAPTION, &[&video, &lang, &object]).await?,
        None => tx.execute(DROP_CAPTION, &[&video, &lang]).await?,
    };
    Ok(old.is_some())
}

/// An object is to be let go, and counts for nobody any more.
pub async fn remove(tx: &Tx, object: ObjectId) -> Result<()> {
    tx.execute(DETACH, &[&object]).await?;
    tx.execute(REMOVE, &[&object, &tx.clock().now()]).await.map(drop)
}

/// Objects that are to be let go, at most `limit`.
pub async fn removals(db: &Db, limit: i64) -> Result<Vec<ObjectId>> {
    let rows: Vec<(ObjectId,)> = db.all(REMOVALS, &[&limit]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// An object could not be let go: the others come first.
pub async fn stays(db: &Db, object: ObjectId) -> Result<()> {
    db.write(|tx| async move { tx.execute(STAYS, &[&object, &tx.clock().now()]).await.map(drop) }).await
}

/// An object has been let go.
pub async fn removed(db: &Db, object: ObjectId) -> Result<()> {
    db.write(|tx| async move { tx.execute(REMOVED, &[&object]).await.map(drop) }).await
}

/// Whether anything here speaks of an object.
pub async fn is_known(db: &Db, object: ObjectId) -> Result<bool> {
    let object: &dyn Param = &object;
    Ok(db.optional::<(ObjectId,)>(IS_KNOWN, &[object]).await?.is_some())
}

/// Somebody who is gone uploads nothing any more.
pub async fn mark_departed(tx: &Tx, user: UserId) -> Result<()> {
    tx.execute(DEPART, &[&user]).await.map(drop)
}

/// Whether somebody is gone.
pub async fn is_departed(tx: &Tx, user: UserId) -> Result<bool> {
    Ok(tx.optional::<(UserId,)>(IS_DEPARTED, &[&user]).await?.is_some())
}

/// [`is_departed`], outside a transaction.
pub async fn has_departed(db: &Db, user: UserId) -> Result<bool> {
    Ok(db.optional::<(UserId,)>(IS_DEPARTED, &[&user]).await?.is_some())
}

/// Those who are gone and have videos yet that nobody holds a ticket for.
pub async fn departed(db: &Db, limit: i64) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId,)> = db.all(DEPARTED, &[&db.clock().now(), &limit]).await?;
    Ok(rows.into_iter().map(|(user,)| user).collect())
}

/// Videos of somebody who is gone that nobody holds a ticket for.
pub async fn of_departed(tx: &Tx, owner: UserId, limit: i64) -> Result<Vec<Video>> {
    tx.all(OF_DEPARTED, &[&owner, &tx.clock().now(), &limit]).await
}
