//! All of this service's SQL.

use db::{Db, Many, Param, Tx, from_row};
use kernel::{Error, Instant, ObjectId, Result};
use objects::{Laid, Stored};

const BEGIN: &str =
    "INSERT INTO uploads (id, size, touched_at) VALUES ($1, 0, $2) ON CONFLICT (id) DO NOTHING";
const UPLOAD: &str = "SELECT size, multipart FROM uploads WHERE id = $1";
const PARTS: &str = "SELECT start, length, name FROM parts WHERE upload_id = $1 ORDER BY start LIMIT 100000";
const COUNT_PARTS: &str = "SELECT COUNT(*) FROM parts WHERE upload_id = $1";
/// Who appends says where the upload ended; whoever else appended meanwhile came first.
const GROW: &str = "UPDATE uploads SET size = $3, touched_at = $4 WHERE id = $1 AND size = $2";
static LAY: Many = Many::new(
    "INSERT INTO parts (upload_id, start, length, name) VALUES",
    "(?, ?, ?, ?)",
    "ON CONFLICT (upload_id, start) DO UPDATE SET length = excluded.length, name = excluded.name",
);
const NOTE: &str = "UPDATE uploads SET multipart = $2, touched_at = $3 WHERE id = $1";
const STORE: &str = "INSERT INTO objects (id, size, sha256, stored_at, tag) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO NOTHING";
const DROP_PARTS: &str = "DELETE FROM parts WHERE upload_id = $1";
const DROP_UPLOAD: &str = "DELETE FROM uploads WHERE id = $1 RETURNING multipart";
const FORGET_PARTS: &str = "DELETE FROM parts";
const FORGET_UPLOADS: &str = "DELETE FROM uploads";
const DROP_OBJECT: &str = "DELETE FROM objects WHERE id = $1";
const OBJECT: &str = "SELECT id, size, sha256, stored_at, tag FROM objects WHERE id = $1";
const LIST: &str = "SELECT id, size, sha256, stored_at, tag FROM objects WHERE id > $1 ORDER BY id LIMIT $2";
static KNOWN: Many = Many::new("SELECT id FROM objects WHERE id IN (", "?", ")");
static BEGUN: Many = Many::new("SELECT id FROM uploads WHERE id IN (", "?", ")");
const ABANDONED: &str =
    "SELECT id, multipart FROM uploads WHERE touched_at < $1 ORDER BY touched_at LIMIT $2";
const ANY: &str = "SELECT id FROM objects LIMIT 1";
const COUNT: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM objects";
const INSTALLATION: &str = "SELECT id FROM installation WHERE one = 1";
const INSTALL: &str = "INSERT INTO installation (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
const RENEW: &str = "INSERT INTO installation (one, id) VALUES (1, $1)
    ON CONFLICT (one) DO UPDATE SET id = excluded.id";

/// An object as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: ObjectId,
    pub size: i64,
    pub sha256: String,
    pub stored_at: Instant,
    pub tag: Option<String>,
}
from_row!(Row { id, size, sha256, stored_at, tag });

impl Row {
    pub(crate) fn stored(&self) -> Stored {
        Stored { size: self.size.unsigned_abs(), sha256: self.sha256.clone() }
    }
}

/// An upload as it is kept.
pub(crate) struct Upload {
    pub size: i64,
    pub multipart: Option<String>,
}
from_row!(Upload { size, multipart });

fn count(length: u64) -> Result<i64> {
    i64::try_from(length).map_err(|_| Error::invalid("It is longer than anything can be"))
}

pub(crate) async fn begin(db: &Db, id: ObjectId) -> Result<()> {
    db.write(|tx| async move { tx.execute(BEGIN, &[&id, &tx.clock().now()]).await.map(drop) }).await
}

pub(crate) async fn upload(db: &Db, id: ObjectId) -> Result<Option<Upload>> {
    db.optional(UPLOAD, &[&id]).await
}

/// What an upload consists of, in order.
pub(crate) async fn parts(db: &Db, id: ObjectId) -> Result<Vec<Laid>> {
    let rows: Vec<(i64, i64, String)> = db.all(PARTS, &[&id]).await?;
    let laid = |(start, length, name): (i64, i64, String)| Laid {
        start: start.unsigned_abs(),
        length: length.unsigned_abs(),
        name,
    };
    Ok(rows.into_iter().map(laid).collect())
}

/// In how many parts an upload came.
pub(crate) async fn count_parts(db: &Db, id: ObjectId) -> Result<i64> {
    db.one::<(i64,)>(COUNT_PARTS, &[&id]).await.map(|(count,)| count)
}

/// Notes parts that are durable, which makes an upload grow that ended at `from`; false if it ended elsewhere.
pub(crate) async fn grow(db: &Db, id: ObjectId, from: u64, laid: &[Laid]) -> Result<bool> {
    let until = laid.last().map_or(from, |last| last.start + last.length);
    let (from, until) = (count(from)?, count(until)?);
    let rows: Vec<(i64, i64, &str)> = laid
        .iter()
        .map(|part| Ok((count(part.start)?, count(part.length)?, part.name.as_str())))
        .collect::<Result<_>>()?;
    let rows = &rows;
    db.write(|tx| async move {
        if tx.execute(GROW, &[&id, &from, &until, &tx.clock().now()]).await? == 0 {
            return Ok(false);
        }
        let params: Vec<&dyn Param> =
            rows.iter().flat_map(|(start, length, name)| [&id as &dyn Param, start, length, name]).collect();
        tx.execute_many(&LAY, &params).await?;
        Ok(true)
    })
    .await
}

/// Notes that the upload is being published, and what has to be given up if that does not come to its end; false if there
/// is no such upload any more.
pub(crate) async fn note(db: &Db, id: ObjectId, multipart: Option<&str>) -> Result<bool> {
    db.write(|tx| async move { Ok(tx.execute(NOTE, &[&id, &multipart, &tx.clock().now()]).await? == 1) })
        .await
}

/// The upload is an object now.
///
/// # Errors
/// 404 if it was let go meanwhile, and has not become that object before: nobody speaks of the object then.
pub(crate) async fn publish(db: &Db, id: ObjectId, stored: &Stored, tag: Option<&str>) -> Result<()> {
    let (size, sha256) = (count(stored.size)?, &stored.sha256);
    db.write(|tx| async move {
        let is_new = tx.execute(STORE, &[&id, &size, sha256, &tx.clock().now(), &tag]).await? == 1;
        if drop_upload(&tx, id).await?.is_none() && is_new {
            return Err(Error::not_found());
        }
        Ok(())
    })
    .await
}

/// What has to be given up of it, or `None` if there was none. Its row goes first: whoever lays parts needs it, and waits,
/// or lays none.
async fn drop_upload(tx: &Tx, id: ObjectId) -> Result<Option<Option<String>>> {
    let dropped: Option<(Option<String>,)> = tx.optional(DROP_UPLOAD, &[&id]).await?;
    tx.execute(DROP_PARTS, &[&id]).await?;
    Ok(dropped.map(|(multipart,)| multipart))
}

/// Nothing goes by `id` any more; answers what has to be given up in the bucket.
pub(crate) async fn remove(db: &Db, id: ObjectId) -> Result<Option<String>> {
    db.write(|tx| async move {
        let multipart = drop_upload(&tx, id).await?.flatten();
        tx.execute(DROP_OBJECT, &[&id]).await?;
        Ok(multipart)
    })
    .await
}

/// There are no uploads.
pub(crate) async fn forget_uploads(db: &Db) -> Result<()> {
    db.write(|tx| async move {
        tx.execute(FORGET_UPLOADS, &[]).await?;
        tx.execute(FORGET_PARTS, &[]).await.map(drop)
    })
    .await
}

pub(crate) async fn object(db: &Db, id: ObjectId) -> Result<Option<Row>> {
    db.optional(OBJECT, &[&id]).await
}

/// Objects in the order of their ids, after `after`.
pub(crate) async fn list(db: &Db, after: Option<ObjectId>, limit: i64) -> Result<Vec<Row>> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    db.all(LIST, &[&after, &limit]).await
}

/// Which of `ids` are objects, or uploads.
pub(crate) async fn known(db: &Db, ids: &[ObjectId]) -> Result<Vec<ObjectId>> {
    let params: Vec<&dyn Param> = ids.iter().map(|id| id as &dyn Param).collect();
    // In this order: an upload that becomes an object is found as the one or as the other.
    let mut known: Vec<(ObjectId,)> = db.all_many(&BEGUN, &params).await?;
    known.extend(db.all_many::<(ObjectId,)>(&KNOWN, &params).await?);
    Ok(known.into_iter().map(|(id,)| id).collect())
}

/// Which of `ids` are objects.
pub(crate) async fn objects(db: &Db, ids: &[ObjectId]) -> Result<Vec<ObjectId>> {
    let params: Vec<&dyn Param> = ids.iter().map(|id| id as &dyn Param).collect();
    let known: Vec<(ObjectId,)> = db.all_many(&KNOWN, &params).await?;
    Ok(known.into_iter().map(|(id,)| id).collect())
}

/// Which of `ids` are uploads.
pub(crate) async fn begun(db: &Db, ids: &[ObjectId]) -> Result<Vec<ObjectId>> {
    db.write(|tx| async move {
        let params: Vec<&dyn Param> = ids.iter().map(|id| id as &dyn Param).collect();
        let begun: Vec<(ObjectId,)> = tx.all_many(&BEGUN, &params).await?;
        Ok(begun.into_iter().map(|(id,)| id).collect())
    })
    .await
}

/// Uploads that nobody has touched since `before`, at most `limit`, and what has to be given up of them.
pub(crate) async fn abandoned(
    db: &Db,
    before: Instant,
    limit: i64,
) -> Result<Vec<(ObjectId, Option<String>)>> {
    db.all(ABANDONED, &[&before, &limit]).await
}

/// Whether there is any object.
pub(crate) async fn any(db: &Db) -> Result<bool> {
    Ok(db.optional::<(ObjectId,)>(ANY, &[]).await?.is_some())
}

/// How many objects there are, and how many bytes they have.
pub(crate) async fn count_all(db: &Db) -> Result<(i64, i64)> {
    db.one(COUNT, &[]).await
}

/// The id of this installation, if it has one yet.
pub(crate) async fn installation(db: &Db) -> Result<Option<String>> {
    Ok(db.optional::<(String,)>(INSTALLATION, &[]).await?.map(|(id,)| id))
}

/// The id of this installation; `new`, if it had none.
pub(crate) async fn install(db: &Db, new: &str) -> Result<String> {
    db.write(|tx| async move {
        tx.execute(INSTALL, &[&new]).await?;
        tx.one::<(String,)>(INSTALLATION, &[]).await.map(|(id,)| id)
    })
    .await
}

/// This is the installation `new` from now on.
pub(crate) async fn renew(db: &Db, new: &str) -> Result<()> {
    db.write(|tx| async move { tx.execute(RENEW, &[&new]).await.map(drop) }).await
}
