//! A part of an upload while it is gathered: what is sent to a bucket is sent whole.

use axum::body::Bytes;
use kernel::{ObjectId, Result};
use object_store::path::Path;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Bucket, PART};
use crate::part::Laid;

/// What was gathered for so long is sent as it is.
const LATELY: std::time::Duration = std::time::Duration::from_secs(5);

pub(crate) struct Sink {
    bucket: Bucket,
    id: ObjectId,
    start: u64,
    held: Vec<Bytes>,
    length: u64,
    since: Instant,
    /// Sent, and not to stay unless somebody says so.
    sent: Vec<Path>,
    /// What stays since it was last said so.
    kept: Vec<Path>,
}

impl Sink {
    pub(super) fn new(bucket: Bucket, id: ObjectId, start: u64) -> Self {
        Self {
            bucket,
            id,
            start,
            held: Vec::new(),
            length: 0,
            since: Instant::now(),
            sent: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Takes `chunks`, after `also` has looked at them.
    pub(crate) fn write<T>(&mut self, chunks: Vec<Bytes>, also: impl FnOnce(&[Bytes]) -> T) -> T {
        let seen = also(&chunks);
        self.length += chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        self.held.extend(chunks);
        seen
    }

    /// Whether it is time to send what is held.
    pub(crate) fn is_due(&self) -> bool {
        self.length >= PART || (self.length > 0 && self.since.elapsed() >= LATELY)
    }

    /// Sends what is held; answers what is to be noted, if that is news.
    pub(crate) async fn sync(&mut self) -> Result<Option<Laid>> {
        if self.length == 0 {
            return Ok(None);
        }
        let name = kernel::random_code();
        let path = self.bucket.part(self.id, &name);
        // It may arrive although its sender never hears of that.
        self.sent.push(path.clone());
        self.bucket.put(&path, std::mem::take(&mut self.held)).await?;
        let laid = Laid { start: self.start, length: self.length, name };
        (self.start, self.length, self.since) = (self.start + self.length, 0, Instant::now());
        Ok(Some(laid))
    }

    /// What was sent stays.
    pub(crate) fn keep(&mut self) {
        self.kept = std::mem::take(&mut self.sent);
    }

    /// What was to stay by the last [`Sink::keep`] is not.
    pub(crate) fn take_back(&mut self) {
        self.sent.append(&mut self.kept);
    }
}

impl Drop for Sink {
    /// What nobody will note goes; if that fails, it goes with the upload.
    fn drop(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (bucket, sent) = (self.bucket.clone(), std::mem::take(&mut self.sent));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                for path in sent {
                    if let Err(error) = bucket.delete(&path).await {
                        tracing::debug!(error = ?error, "a part that nobody needs stays with its upload");
                    }
                }
            });
        }
    }
}
