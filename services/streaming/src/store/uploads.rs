//! Uploads under way.

use std::borrow::Cow;

use contracts::Visibility;
use db::{Column, Db, Param, Tx, Value, from_row};
use kernel::{Error, Instant, ObjectId, Result, UserId, VideoId};

const INSERT: &str = "INSERT INTO uploads
        (id, object_id, owner_id, kind, length, name, title, visibility, expires_at, metadata, finishing_until,
        failures, is_whole)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, FALSE)";
const BY_ID: &str =
    "SELECT id, object_id, owner_id, kind, length, name, title, visibility, expires_at, refused,
        metadata
    FROM uploads WHERE id = $1";
const OF_OWNER: &str =
    "SELECT id, object_id, owner_id, kind, length, name, title, visibility, expires_at, refused,
        metadata
    FROM uploads WHERE owner_id = $1 AND kind = 'resumable' ORDER BY id DESC LIMIT 50";
const PUT_OFF: &str = "UPDATE uploads SET expires_at = $2 WHERE id = $1 AND expires_at < $2 AND NOT is_whole";
const TAKE: &str = "UPDATE uploads SET finishing_until = $3, is_whole = TRUE,
        expires_at = CASE WHEN kind = 'resumable' AND NOT is_whole THEN $4 ELSE expires_at END
    WHERE id = $1 AND finishing_until < $2 AND refused IS NULL RETURNING failures, expires_at";
const HOLD: &str = "UPDATE uploads SET finishing_until = $2 WHERE id = $1";
const REST: &str = "UPDATE uploads SET finishing_until = $2, failures = failures + 1 WHERE id = $1";
const REFUSE: &str =
    "UPDATE uploads SET refused = $2, length = 0, finishing_until = 0, expires_at = $3 WHERE id = $1";
/// Of what was refused, somebody is told the latest.
const FORGET: &str = "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads
    WHERE owner_id = $1 AND kind = 'resumable' AND refused IS NOT NULL
    ORDER BY expires_at DESC, id DESC LIMIT 100 OFFSET 20)";
const DELETE: &str = "DELETE FROM uploads WHERE id = $1";
/// What is kept for somebody, and what may come to be.
const USED: &str = "SELECT CAST(COALESCE((SELECT SUM(size) FROM videos WHERE owner_id = $1), 0)
        + COALESCE((SELECT SUM(size) FROM attachments WHERE owner_id = $1), 0)
        + COALESCE((SELECT SUM(length) FROM uploads WHERE owner_id = $1), 0) AS BIGINT)";
const UNDER_WAY: &str =
    "SELECT COUNT(*) FROM uploads WHERE owner_id = $1 AND kind <> 'attached' AND refused IS NULL";
const ATTACH: &str = "INSERT INTO attachments (object_id, owner_id, size) VALUES ($1, $2, $3)";
/// Ends somebody's uploads.
const DEPART: &str = "DELETE FROM uploads WHERE owner_id = $1 RETURNING object_id";
const EXPIRED: &str =
    "SELECT id, object_id, owner_id, kind, length, name, title, visibility, expires_at, refused,
        metadata
    FROM uploads WHERE expires_at < $1 AND finishing_until < $1 ORDER BY expires_at LIMIT $2";
const LEFT: &str =
    "SELECT id, object_id, owner_id, kind, length, name, title, visibility, expires_at, refused,
        metadata
    FROM uploads WHERE kind = 'resumable' AND refused IS NULL AND finishing_until > 0 AND finishing_until < $1
    ORDER BY finishing_until LIMIT $2";

/// How an upload comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By one request; nobody knows of it but that.
    Once,
    /// By as many as it takes.
    Resumable,
    /// It is at hand, and small: a poster, or captions.
    Attached,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Resumable => "resumable",
            Self::Attached => "attached",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Once, Self::Resumable, Self::Attached].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Param for Kind {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self.as_str()))
    }
}

impl Column for Kind {
    fn from_value(value: Value<'_>) -> Result<Self> {
        let text = String::from_value(value)?;
        Self::parse(&text).ok_or_else(|| Error::internal(format!("a column holds the kind of upload {text}")))
    }
}

/// An upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// What will be the video's id.
    pub id: VideoId,
    /// What storage knows it by.
    pub object_id: ObjectId,
    /// Whose it is.
    pub owner_id: UserId,
    /// How it comes.
    pub kind: Kind,
    /// In bytes: how long it will be, or what is set aside for it.
    pub length: i64,
    /// The file's name.
    pub name: String,
    /// The video's title.
    pub title: String,
    /// Who may watch it.
    pub visibility: Visibility,
    /// When it is given up.
    pub expires_at: Instant,
    /// Why it did not become a video.
    pub refused: Option<String>,
    /// `Upload-Metadata` as it was given.
    pub metadata: Option<String>,
}
from_row!(Upload {
    id,
    object_id,
    owner_id,
    kind,
    length,
    name,
    title,
    visibility,
    expires_at,
    refused,
    metadata
});

/// Notes an upload before storage hears of it; false if that would be more than `quota` bytes for its owner, `Conflict` if
/// they have too many under way.
pub async fn begin(db: &Db, upload: &Upload, quota: i64, most: i64) -> Result<bool> {
    db.write(|tx| async move {
        // Whoever else begins an upload of the same user waits, so that together they keep to the quota.
        super::lock(&tx).await?;
        let (used,): (i64,) = tx.one(USED, &[&upload.owner_id]).await?;
        if used.saturating_add(upload.length) > quota {
            return Ok(false);
        }
        if upload.kind != Kind::Attached {
            let (under_way,): (i64,) = tx.one(UNDER_WAY, &[&upload.owner_id]).await?;
            if under_way >= most {
                return Err(Error::conflict(
                    "You have too many uploads under way: finish or cancel one first",
                ));
            }
        }
        let Upload { id, object_id, owner_id, kind, length, name, title, .. } = upload;
        let Upload { visibility, expires_at, metadata, .. } = upload;
        let row: &[&dyn Param] =
            &[id, object_id, owner_id, kind, length, name, title, visibility, expires_at, metadata];
        tx.execute(INSERT, row).await.map(|_| true)
    })
    .await
}

/// How much is kept for somebody, or set aside.
pub async fn used(db: &Db, owner: UserId) -> Result<i64> {
    let (used,) = db.one(USED, &[&owner]).await?;
    Ok(used)
}

/// An upload.
pub async fn find(db: &Db, id: VideoId) -> Result<Option<Upload>> {
    db.optional(BY_ID, &[&id]).await
}

/// Somebody's resumable uploads, the latest first.
pub async fn of_owner(db: &Db, owner: UserId) -> Result<Vec<Upload>> {
    db.all(OF_OWNER, &[&owner]).await
}

/// Keeps an upload until `end`, unless all of it is here.
pub async fn put_off(db: &Db, id: VideoId, end: Instant) -> Result<()> {
    db.write(|tx| async move { tx.execute(PUT_OFF, &[&id, &end]).await.map(drop) }).await
}

/// An upload that was taken to be finished.
pub struct Taken {
    /// How often that has failed.
    pub failures: i64,
    /// When it is given up.
    pub ends_at: Instant,
}
from_row!(Taken { failures, ends_at });

/// Takes an upload that is whole to finish it, until `until`; `None` if somebody has it, or it rests. The first to do so
/// also says when it `ends` if that goes on to fail.
pub async fn take(db: &Db, id: VideoId, until: Instant, ends: Instant) -> Result<Option<Taken>> {
    db.write(|tx| async move { tx.optional(TAKE, &[&id, &tx.clock().now(), &until, &ends]).await }).await
}

/// Keeps an upload that was taken, until `until`.
pub async fn hold(db: &Db, id: VideoId, until: Instant) -> Result<()> {
    db.write(|tx| async move { tx.execute(HOLD, &[&id, &until]).await.map(drop) }).await
}

/// An upload could not be finished: nobody tries again before `until`.
pub async fn rest(db: &Db, id: VideoId, until: Instant) -> Result<()> {
    db.write(|tx| async move { tx.execute(REST, &[&id, &until]).await.map(drop) }).await
}

/// Says until `end` why an upload does not become a video. Its bytes are to be let go.
pub async fn refuse(db: &Db, upload: &Upload, why: &str, end: Instant) -> Result<()> {
    db.write(|tx| async move {
        super::remove(&tx, upload.object_id).await?;
        tx.execute(REFUSE, &[&upload.id, &why, &end]).await?;
        tx.execute(FORGET, &[&upload.owner_id]).await.map(drop)
    })
    .await
}

/// An upload is over: it has become something, or its bytes are let go elsewhere.
pub async fn end(tx: &Tx, id: VideoId) -> Result<bool> {
    Ok(tx.execute(DELETE, &[&id]).await? == 1)
}

/// An upload has become a poster or captions, which count for its owner until they are let go; false if it was over.
pub async fn attach(tx: &Tx, upload: &Upload) -> Result<bool> {
    if !end(tx, upload.id).await? {
        return Ok(false);
    }
    tx.execute(ATTACH, &[&upload.object_id, &upload.owner_id, &upload.length]).await.map(|_| true)
}

/// Gives an upload up, with its bytes.
pub async fn give_up(db: &Db, upload: &Upload) -> Result<()> {
    db.write(|tx| async move {
        if end(&tx, upload.id).await? {
            super::remove(&tx, upload.object_id).await?;
        }
        Ok(())
    })
    .await
}

/// Somebody is gone, and so are their uploads: what came of them is to be let go.
pub async fn depart(tx: &Tx, owner: UserId) -> Result<()> {
    let objects: Vec<(ObjectId,)> = tx.all(DEPART, &[&owner]).await?;
    for (object,) in objects {
        super::remove(tx, object).await?;
    }
    Ok(())
}

/// Uploads whose time is up, at most `limit`.
pub async fn expired(db: &Db, now: Instant, limit: i64) -> Result<Vec<Upload>> {
    db.all(EXPIRED, &[&now, &limit]).await
}

/// Uploads that somebody began to finish and then was gone, or failed and has let rest.
pub async fn left(db: &Db, now: Instant, limit: i64) -> Result<Vec<Upload>> {
    db.all(LEFT, &[&now, &limit]).await
}
