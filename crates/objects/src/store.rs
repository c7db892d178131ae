//! One store over the engines: the only place that knows there are two. It keeps bytes; what they are, and which of them
//! count, is in the rows of whoever uses it.

use std::ops::Range;
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use kernel::{ObjectId, Result};

use crate::bucket::{self, Bucket, Kept};
use crate::disk::{self, Disk};
use crate::part::{self, Laid};
use crate::settings::{Place, Settings};
use crate::{Content, Piece, Slice, Stored};

/// What says in a store whose it is.
pub(crate) const MARKER: &str = "installation";

/// Bytes on a disk or in a bucket. Clones share it.
#[derive(Clone)]
pub struct Store(Engine);

#[derive(Clone)]
enum Engine {
    Disk(Disk),
    Bucket(Bucket),
}

/// A part of an upload that is being written.
pub struct Sink(Writing);

enum Writing {
    Disk(disk::Sink),
    Bucket(bucket::Sink),
}

/// An upload that becomes an object.
pub struct Publication {
    /// What goes by its id.
    pub id: ObjectId,
    /// All parts of the upload, one after the other.
    pub parts: Vec<Laid>,
    /// What the object is made of; the whole upload, if nothing is said.
    pub pieces: Option<Vec<Piece>>,
    /// The digest of the whole upload, if it is known.
    pub sha256: Option<Vec<u8>>,
    /// What [`Store::begin`] answered.
    pub multipart: Option<String>,
}

/// What lies in a store, whether anybody knows of it or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lying {
    /// What lies there as an object.
    pub objects: Vec<ObjectId>,
    /// What there are parts of, as of an upload.
    pub uploads: Vec<ObjectId>,
}

impl Store {
    /// The store that `settings` name, else the directory `default`.
    ///
    /// # Errors
    /// `Invalid` for an address that is none; `Unavailable` for a directory that cannot be written to.
    pub fn open(settings: &Settings, default: PathBuf) -> Result<Self> {
        Ok(Self(match settings.place(default)? {
            Place::Directory(path) => Engine::Disk(Disk::open(&path)?),
            Place::Bucket { name, prefix } => Engine::Bucket(Bucket::open(settings, &name, &prefix)?),
        }))
    }

    /// Begins to append to an upload, at `start`.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn sink(&self, id: ObjectId, start: u64) -> Result<Sink> {
        Ok(Sink(match &self.0 {
            Engine::Disk(disk) => Writing::Disk(disk.sink(id, start).await?),
            Engine::Bucket(bucket) => Writing::Bucket(bucket.sink(id, start)),
        }))
    }

    /// A range of an upload that consists of `parts`.
    ///
    /// # Errors
    /// `Invalid` beyond its end; `Unavailable`.
    pub async fn read(&self, id: ObjectId, parts: &[Laid], range: Range<u64>) -> Result<Bytes> {
        let stretches = part::stretches(parts, &[Piece::Upload(range)])?;
        match &self.0 {
            Engine::Disk(disk) => disk.read(id, stretches).await,
            Engine::Bucket(bucket) => bucket.read(id, stretches).await,
        }
    }

    /// What has to be noted before an object of `size` is published: a name by which a publication can be given up that
    /// was broken off, if there is something to give up.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn begin(&self, id: ObjectId, size: u64) -> Result<Option<String>> {
        match &self.0 {
            Engine::Disk(_) => Ok(None),
            Engine::Bucket(bucket) => bucket.begin(id, size).await,
        }
    }

    /// Gives up a publication that was broken off.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn give_up(&self, id: ObjectId, multipart: &str) -> Result<()> {
        match &self.0 {
            Engine::Disk(_) => Ok(()),
            Engine::Bucket(bucket) => bucket.give_up(id, multipart).await,
        }
    }

    /// Makes the object, all at once and durable; answers with the store's own tag of it, if it has one.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn publish(&self, publication: Publication) -> Result<(Stored, Option<String>)> {
        let Publication { id, parts, pieces, sha256, multipart } = publication;
        match &self.0 {
            Engine::Disk(disk) => Ok((disk.publish(id, parts, pieces, sha256).await?, None)),
            Engine::Bucket(bucket) => bucket.publish(id, &parts, pieces, multipart).await,
        }
    }

    /// What an answer about an object carries: `content`, in order. `by_sendfile` if its connection takes files.
    ///
    /// # Errors
    /// 404 if the object is not there; `Unavailable`.
    pub async fn body(&self, object: &Kept, content: Content, by_sendfile: bool) -> Result<Body> {
        let slices = match content {
            Content::Empty => return Ok(Body::empty()),
            Content::Object(range) => vec![Slice::Object(range)],
            Content::Parts(slices) => slices,
        };
        match &self.0 {
            Engine::Disk(disk) => disk.body(object.id, slices, by_sendfile).await,
            Engine::Bucket(bucket) => bucket.body(object, slices).await,
        }
    }

    /// Lets an object and everything of its upload go.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn remove(&self, id: ObjectId) -> Result<()> {
        match &self.0 {
            Engine::Disk(disk) => disk.remove(id).await,
            Engine::Bucket(bucket) => bucket.remove(id).await,
        }
    }

    /// Lets go what is left of an upload that has become an object.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn clear(&self, id: ObjectId) -> Result<()> {
        match &self.0 {
            Engine::Disk(disk) => disk.clear(id).await,
            Engine::Bucket(bucket) => bucket.clear(id).await,
        }
    }

    /// The size of an object, if it is there.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn size(&self, id: ObjectId) -> Result<Option<u64>> {
        match &self.0 {
            Engine::Disk(disk) => disk.size(id).await,
            Engine::Bucket(bucket) => Ok(bucket.find(id).await?.map(|kept| kept.size)),
        }
    }

    /// Whether it answers and may be written to.
    ///
    /// # Errors
    /// `Unavailable` if not.
    pub async fn ping(&self) -> Result<()> {
        match &self.0 {
            Engine::Disk(disk) => disk.ping().await,
            Engine::Bucket(bucket) => bucket.ping().await,
        }
    }

    /// The id of the installation whose this is, if that was said.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn owner(&self) -> Result<Option<String>> {
        match &self.0 {
            Engine::Disk(disk) => disk.owner().await,
            Engine::Bucket(bucket) => bucket.owner().await,
        }
    }

    /// The same; what was nobody's is that of `installation` from now on.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn claim(&self, installation: &str) -> Result<String> {
        match &self.0 {
            Engine::Disk(disk) => disk.claim(installation).await,
            Engine::Bucket(bucket) => bucket.claim(installation).await,
        }
    }

    /// Makes this the store of `installation`, whoever's it was.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn adopt(&self, installation: &str) -> Result<()> {
        match &self.0 {
            Engine::Disk(disk) => disk.adopt(installation).await,
            Engine::Bucket(bucket) => bucket.adopt(installation).await,
        }
    }

    /// All that lies here.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self) -> Result<Lying> {
        match &self.0 {
            Engine::Disk(disk) => disk.list().await,
            Engine::Bucket(bucket) => bucket.list().await,
        }
    }

    /// Where an object lies, or would, if this is a directory.
    pub fn file(&self, id: ObjectId) -> Option<PathBuf> {
        match &self.0 {
            Engine::Disk(disk) => Some(disk.object(id)),
            Engine::Bucket(_) => None,
        }
    }

    /// The directory, if it is one.
    pub fn directory(&self) -> Option<&std::path::Path> {
        match &self.0 {
            Engine::Disk(disk) => Some(disk.root()),
            Engine::Bucket(_) => None,
        }
    }
}

impl Sink {
    /// Writes `chunks`; `also` looks at them on the way.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn write<T: Send + 'static>(
        &mut self,
        chunks: Vec<Bytes>,
        also: impl FnOnce(&[Bytes]) -> T + Send + 'static,
    ) -> Result<T> {
        match &mut self.0 {
            Writing::Disk(sink) => sink.write(chunks, also).await,
            Writing::Bucket(sink) => Ok(sink.write(chunks, also)),
        }
    }

    /// Whether it is time for [`Sink::sync`].
    pub fn is_due(&self) -> bool {
        match &self.0 {
            Writing::Disk(sink) => sink.is_due(),
            Writing::Bucket(sink) => sink.is_due(),
        }
    }

    /// Makes durable what was written; answers what is to be noted, if that is news. A part that was noted before may
    /// come again, longer.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn sync(&mut self) -> Result<Option<Laid>> {
        match &mut self.0 {
            Writing::Disk(sink) => sink.sync().await,
            Writing::Bucket(sink) => sink.sync().await,
        }
    }

    /// What was made durable is about to be noted, or may be: it stays. All else goes when this is dropped.
    pub fn keep(&mut self) {
        match &mut self.0 {
            Writing::Disk(sink) => sink.keep(),
            Writing::Bucket(sink) => sink.keep(),
        }
    }

    /// What [`Sink::keep`] was last said of was not noted.
    pub fn take_back(&mut self) {
        match &mut self.0 {
            Writing::Disk(sink) => sink.take_back(),
            Writing::Bucket(sink) => sink.take_back(),
        }
    }
}
