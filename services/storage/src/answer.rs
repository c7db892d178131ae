//! Answering for objects, and all else that whoever keeps objects asks ([`Objects`]).

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use kernel::{Error, ObjectId, Result};
use objects::{Appended, Asked, Content, Entity, Kept, Objects, Part, Piece, Plan, Stored, plan};

use crate::{Storage, store};

/// The longest part of an upload that is read at a time.
const MOST: u64 = 64 * 1024 * 1024;

/// An object, as it is answered for. It never changes.
pub(crate) struct Known {
    kept: Kept,
    entity: Entity,
}

impl Known {
    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.kept.size
    }
}

impl Storage {
    pub(crate) async fn known(&self, id: ObjectId) -> Result<Arc<Known>> {
        if let Some(known) = self.0.known.get(&id) {
            return Ok(known);
        }
        let row = store::object(&self.0.db, id).await?.ok_or_else(Error::not_found)?;
        let size = row.size.unsigned_abs();
        let entity =
            Entity::new(size, &format!("\"{}\"", row.sha256), row.stored_at, "application/octet-stream")?;
        let known = Arc::new(Known { kept: Kept { id, size, tag: row.tag }, entity });
        self.0.known.insert(id, Arc::clone(&known));
        Ok(known)
    }

    pub(crate) fn forget(&self, id: ObjectId) {
        self.0.known.invalidate(&id);
    }

    async fn answered(&self, id: ObjectId, asked: Asked) -> Result<Response> {
        let Asked { method, headers, content_type, by_sendfile } = asked;
        let known = self.known(id).await?;
        let content_type = HeaderValue::try_from(content_type)
            .map_err(|_| Error::invalid("A media type cannot have such characters"))?;
        let entity = known.entity.clone().with_content_type(content_type);
        let Plan { status, headers, content } = plan(&method, &headers, &entity);
        let body: Body = self.0.store.body(&known.kept, content, by_sendfile).await?;
        let mut answer = Response::new(body);
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }

    async fn part_of(&self, id: ObjectId, range: Range<u64>) -> Result<Bytes> {
        let ends = self.whole(id).await?;
        let range = range.start..range.end.min(ends).min(range.start.saturating_add(MOST));
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let parts = store::parts(&self.0.db, id).await?;
        // Without parts it has become an object, maybe just now.
        if !parts.is_empty() {
            return self.0.store.read(id, &parts, range).await;
        }
        let known = self.known(id).await?;
        let body = self.0.store.body(&known.kept, Content::Object(range), false).await?;
        let read = body.collect().await;
        Ok(read.map_err(|e| Error::unavailable("an object could not be read").because(e))?.to_bytes())
    }
}

impl Objects for Storage {
    fn begin(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        store::begin(&self.0.db, id).boxed()
    }

    fn append(&self, id: ObjectId, part: Part) -> BoxFuture<'_, Result<Appended>> {
        self.append_to(id, part).boxed()
    }

    fn uploaded(&self, id: ObjectId) -> BoxFuture<'_, Result<u64>> {
        self.whole(id).boxed()
    }

    fn read_upload(&self, id: ObjectId, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.part_of(id, range).boxed()
    }

    fn publish(&self, id: ObjectId, pieces: Option<Vec<Piece>>) -> BoxFuture<'_, Result<Stored>> {
        self.make_object(id, pieces).boxed()
    }

    fn remove(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        self.let_go(id).boxed()
    }

    fn answer(&self, id: ObjectId, asked: Asked) -> BoxFuture<'_, Result<Response>> {
        self.answered(id, asked).boxed()
    }

    fn list(&self, after: Option<ObjectId>) -> BoxFuture<'_, Result<Vec<ObjectId>>> {
        async move {
            let rows = store::list(&self.0.db, after, 1000).await?;
            Ok(rows.into_iter().map(|row| row.id).collect())
        }
        .boxed()
    }
}
