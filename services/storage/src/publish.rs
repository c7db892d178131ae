//! Making an object of an upload. Whatever is broken off is done again from the start by whoever asks next: until its row
//! is there, nobody sees the object, and the upload stays.

use kernel::{Error, Kind, ObjectId, Result};
use objects::{Piece, Publication, Stored};
use tracing::Instrument as _;

use crate::{Storage, meters, store};

impl Storage {
    /// Publishes; see [`objects::Objects::publish`]. It does so on a task of its own: a connection that ends is not to break
    /// off what its client will ask for again. Who asks meanwhile waits, and finds it done.
    pub(crate) async fn make_object(&self, id: ObjectId, pieces: Option<Vec<Piece>>) -> Result<Stored> {
        let this = self.clone();
        let making = async move {
            let _alone = this.0.publishing.turn(id).await;
            this.make_here(id, pieces).await
        };
        let done = tokio::spawn(making.in_current_span()).await;
        done.map_err(|e| Error::internal("a publication came to no end").because(e))?
    }

    async fn make_here(&self, id: ObjectId, pieces: Option<Vec<Piece>>) -> Result<Stored> {
        let (db, store) = (&self.0.db, &self.0.store);
        if let Some(row) = store::object(db, id).await? {
            return Ok(row.stored());
        }
        let upload = store::upload(db, id).await?.ok_or_else(Error::not_found)?;
        let size = upload.size.unsigned_abs();
        if let Some(old) = &upload.multipart {
            store.give_up(id, old).await?;
        }
        let parts = store::parts(db, id).await?;
        match parts.iter().map(|part| part.length).sum::<u64>() {
            laid if laid < size => {
                return Err(Error::internal("an upload has fewer bytes than its row says"));
            }
            laid if laid > size => return Err(Error::conflict("Somebody appends to the upload")),
            _ => {}
        }
        let multipart = store.begin(id, size_of(pieces.as_deref(), size)).await?;
        // Before the first byte of it is sent.
        if !store::note(db, id, multipart.as_deref()).await? {
            if let Some(multipart) = &multipart {
                store.give_up(id, multipart).await?;
            }
            // It was let go meanwhile, or another process has published it.
            return store::object(db, id).await?.map(|row| row.stored()).ok_or_else(Error::not_found);
        }
        let sha256 = self.0.running.get(&id).and_then(|running| running.of(size));
        let publication = Publication { id, parts, pieces, sha256, multipart };
        let (stored, tag) = store.publish(publication).await?;
        self.became(id, &stored, tag.as_deref()).await?;
        self.0.running.invalidate(&id);
        meters::published(stored.size);
        if let Err(error) = store.clear(id).await {
            tracing::warn!(object = %id, error = ?error, "what is left of an upload is for the next collection");
        }
        Ok(stored)
    }

    /// Notes that an upload has become an object, whose bytes are in their place.
    ///
    /// # Errors
    /// 404 if it was let go meanwhile: whoever did may have been there before the bytes were, so they are removed again.
    pub(crate) async fn became(&self, id: ObjectId, stored: &Stored, tag: Option<&str>) -> Result<()> {
        let noted = store::publish(&self.0.db, id, stored, tag).await;
        if noted.as_ref().is_err_and(|error| error.kind == Kind::NotFound)
            && let Err(error) = self.0.store.remove(id).await
        {
            tracing::warn!(object = %id, error = ?error, "what nobody needs any more is for the next collection");
        }
        noted
    }

    /// Lets go what goes by `id`; see [`objects::Objects::remove`]. The row goes first: a row without its object would be
    /// a broken promise, an object without its row is garbage. In a store of another installation it may have a row there,
    /// so its bytes stay.
    pub(crate) async fn let_go(&self, id: ObjectId) -> Result<()> {
        let _turn = self.turn().await;
        let is_ours = self.is_ours().await?;
        let given_up = store::upload(&self.0.db, id).await?.and_then(|upload| upload.multipart);
        if let Some(multipart) = &given_up {
            self.0.store.give_up(id, multipart).await?;
        }
        // Whoever publishes may have begun meanwhile.
        let begun = store::remove(&self.0.db, id).await?;
        self.0.running.invalidate(&id);
        self.forget(id);
        if let Some(multipart) = begun.filter(|begun| given_up.as_ref() != Some(begun)) {
            self.0.store.give_up(id, &multipart).await?;
        }
        if is_ours { self.0.store.remove(id).await } else { Ok(()) }
    }
}

fn size_of(pieces: Option<&[Piece]>, whole: u64) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => bytes.len() as u64,
        Piece::Upload(range) => range.end.saturating_sub(range.start),
    };
    pieces.map_or(whole, |pieces| pieces.iter().map(length).sum())
}
