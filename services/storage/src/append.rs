//! Appending to an upload. What arrives is written under a name of its own and made durable now and then; what is durable
//! is noted by compare-and-set on where the upload ended. So a client that comes again before its broken connection was
//! noticed does not have to wait: whoever notes first has appended, and whoever came before gives up.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use kernel::{Error, Kind, ObjectId, Result};
use objects::{Appended, Came, Digest, Laid, Part, Sink};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use tracing::Instrument as _;
use web::{Coming, Next};

use crate::held::Held;
use crate::{Storage, meters, store};

/// So much is written at a time.
const CHUNK: u64 = 1024 * 1024;
/// An upload that came in so many parts takes no more: all of them are read at once when it becomes an object.
const MOST_PARTS: i64 = 50_000;

/// How long what is at hand waits for a place.
const SOON: Duration = Duration::from_secs(10);

/// The digest of an upload from its begin to `offset`.
pub(crate) struct Running {
    offset: u64,
    digest: Context,
}

impl Running {
    /// The digest of the whole upload, if it is known so far.
    pub(crate) fn of(&self, size: u64) -> Option<Vec<u8>> {
        (self.offset == size).then(|| self.digest.clone().finish().as_ref().to_vec())
    }
}

/// What is made of the bytes on their way.
struct Digests {
    /// Of the upload, if all that was before is known.
    whole: Option<Context>,
    /// Of this part.
    part: Option<Context>,
}

impl Digests {
    fn update(&mut self, chunks: &[Bytes]) {
        for digest in [&mut self.whole, &mut self.part].into_iter().flatten() {
            for chunk in chunks {
                digest.update(chunk);
            }
        }
    }
}

/// An append under way.
struct Writing<'a> {
    storage: &'a Storage,
    id: ObjectId,
    sink: Sink,
    digests: Option<Digests>,
    /// Where the upload ends, as noted.
    noted: u64,
    /// What is durable and not noted yet, for its digest has to be right first.
    waiting: Vec<Laid>,
    /// Where what was written ends.
    written: u64,
    held: Held,
}

impl Storage {
    /// Appends; see [`objects::Objects::append`]. It does so on a task of its own: when a connection breaks, whoever waits
    /// at its end is dropped, and what came is to be kept nevertheless.
    pub(crate) async fn append_to(&self, id: ObjectId, part: Part) -> Result<Appended> {
        let this = self.clone();
        let appending = async move { this.append_here(id, part).await };
        let done = tokio::spawn(appending.in_current_span()).await;
        done.map_err(|e| Error::internal("an append came to no end").because(e))?
    }

    async fn append_here(&self, id: ObjectId, part: Part) -> Result<Appended> {
        let Part { offset, most, body, digest, at_hand } = part;
        let _under_way = if at_hand { self.soon().await? } else { self.at_once()? };
        let ends = self.ends(id).await?;
        if ends != offset {
            return Err(elsewhere(ends));
        }
        if store::count_parts(&self.0.db, id).await? >= MOST_PARTS {
            let told = "It came in too many parts: begin again, and send more at a time";
            return Err(Error::new(Kind::TooLarge, told.to_owned()));
        }
        let mut last = self.0.latest.come(id);
        let mut writing = self.writing(id, offset, digest.as_ref()).await?;
        let mut coming = Coming::new(body);
        let whole = loop {
            let next = tokio::select! {
                next = coming.next() => next,
                () = last.followed() => {
                    return Err(Error::conflict("Somebody else appends to the upload, and came later"));
                }
            };
            match next {
                Next::End => break true,
                Next::Broken => break false,
                Next::Chunk(chunk) => {
                    if writing.ends() + chunk.len() as u64 > most {
                        return Err(Error::new(Kind::TooLarge, format!("It must be at most {most} bytes")));
                    }
                    writing.take(chunk, digest.is_some()).await?;
                }
            }
        };
        let came = match (&digest, whole) {
            // A part of what has a digest has another one.
            (Some(_), false) => return Ok(Appended { offset, came: Came::Broken }),
            (Some(digest), true) if !writing.has(digest).await? => {
                return Ok(Appended { offset, came: Came::Spoilt });
            }
            (_, true) => Came::Whole,
            (None, false) => Came::Broken,
        };
        let offset = writing.finish().await?;
        Ok(Appended { offset, came })
    }

    /// Where an upload ends.
    pub(crate) async fn ends(&self, id: ObjectId) -> Result<u64> {
        let upload = store::upload(&self.0.db, id).await?.ok_or_else(Error::not_found)?;
        Ok(upload.size.unsigned_abs())
    }

    /// Where an upload ends, or the object that it became: whoever was gone when it did goes on from there.
    pub(crate) async fn whole(&self, id: ObjectId) -> Result<u64> {
        match store::upload(&self.0.db, id).await? {
            Some(upload) => Ok(upload.size.unsigned_abs()),
            None => Ok(self.known(id).await?.size()),
        }
    }

    /// A place for what comes from afar, if there is one.
    fn at_once(&self) -> Result<SemaphorePermit<'_>> {
        self.0.appending.try_acquire().map_err(|_| too_many())
    }

    /// A place for what is at hand: those who have one are soon done.
    async fn soon(&self) -> Result<SemaphorePermit<'_>> {
        match timeout(SOON, self.0.at_hand.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(too_many()),
        }
    }

    /// Waits for a place to write at. Nobody has one while waiting for a client.
    async fn place(&self) -> Result<SemaphorePermit<'_>> {
        self.0.writing.acquire().await.map_err(|_| Error::unavailable("nothing is written any more"))
    }

    async fn writing(&self, id: ObjectId, offset: u64, digest: Option<&Digest>) -> Result<Writing<'_>> {
        let known = self.0.running.get(&id).filter(|running| running.offset == offset);
        let whole = match known {
            Some(running) => Some(running.digest.clone()),
            None => (offset == 0).then(|| Context::new(&SHA256)),
        };
        let part = digest.map(|digest| match digest {
            Digest::Sha1(_) => Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            Digest::Sha256(_) => Context::new(&SHA256),
        });
        let _place = self.place().await?;
        Ok(Writing {
            storage: self,
            id,
            sink: self.0.store.sink(id, offset).await?,
            digests: Some(Digests { whole, part }),
            noted: offset,
            waiting: Vec::new(),
            written: offset,
            held: Held::default(),
        })
    }
}

fn too_many() -> Error {
    Error::unavailable("too many uploads are under way")
}

fn elsewhere(ends: u64) -> Error {
    Error::conflict(format!("The upload ends at {ends}"))
}

impl Writing<'_> {
    /// Where all ends that has come.
    fn ends(&self) -> u64 {
        self.written + self.held.length()
    }

    async fn take(&mut self, chunk: Bytes, waits: bool) -> Result<()> {
        self.held.push(chunk);
        if self.held.length() >= CHUNK {
            self.write().await?;
        }
        if self.sink.is_due() {
            self.sync(waits).await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let ends = self.ends();
        let _place = self.storage.place().await?;
        let mut digests = self.digests.take();
        let look = move |chunks: &[Bytes]| {
            if let Some(digests) = &mut digests {
                digests.update(chunks);
            }
            digests
        };
        self.digests = self.sink.write(self.held.take(), look).await?;
        meters::received(ends - self.written);
        self.written = ends;
        Ok(())
    }

    async fn sync(&mut self, waits: bool) -> Result<()> {
        let laid = {
            let _place = self.storage.place().await?;
            self.sink.sync().await?
        };
        if let Some(laid) = laid {
            self.waiting.retain(|part| part.start != laid.start);
            self.waiting.push(laid);
        }
        if waits { Ok(()) } else { self.note().await }
    }

    async fn note(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // Whoever does not hear whether it was noted must not take it back.
        self.sink.keep();
        if !store::grow(&self.storage.0.db, self.id, self.noted, &self.waiting).await? {
            self.sink.take_back();
            return Err(elsewhere(self.storage.ends(self.id).await?));
        }
        self.noted = self.waiting.last().map_or(self.noted, |last| last.start + last.length);
        self.waiting.clear();
        Ok(())
    }

    /// Whether this part's bytes have the digest.
    async fn has(&mut self, digest: &Digest) -> Result<bool> {
        self.write().await?;
        let (Digest::Sha1(wanted) | Digest::Sha256(wanted)) = digest;
        let part = self.digests.as_ref().and_then(|digests| digests.part.clone());
        Ok(part.is_some_and(|part| part.finish().as_ref() == wanted.as_slice()))
    }

    /// Makes the rest durable and notes it; answers where the upload ends.
    async fn finish(mut self) -> Result<u64> {
        self.write().await?;
        self.sync(false).await?;
        if let Some(digest) = self.digests.take().and_then(|digests| digests.whole) {
            self.storage.0.running.insert(self.id, Arc::new(Running { offset: self.noted, digest }));
        }
        Ok(self.noted)
    }
}
