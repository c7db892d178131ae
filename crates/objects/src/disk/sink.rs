//! A part of an upload while it is being written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use kernel::Result;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{blocking, room};
use crate::part::Laid;

/// So much, or for so long, is written before it is made durable and noted.
const OFTEN: u64 = 64 * 1024 * 1024;
const LATELY: Duration = Duration::from_secs(5);

pub(crate) struct Sink {
    file: Arc<File>,
    path: PathBuf,
    name: String,
    start: u64,
    written: u64,
    synced: u64,
    /// So much of it stays.
    kept: u64,
    /// And so much did before.
    kept_before: u64,
    synced_at: Instant,
}

impl Sink {
    pub(super) fn new(file: File, path: PathBuf, name: String, start: u64) -> Self {
        let (written, synced, kept, kept_before) = (0, 0, 0, 0);
        let synced_at = Instant::now();
        Self { file: file.into(), path, name, start, written, synced, kept, kept_before, synced_at }
    }

    /// Writes `chunks` and has `also` look at them, on the same thread.
    pub(crate) async fn write<T: Send + 'static>(
        &mut self,
        chunks: Vec<Bytes>,
        also: impl FnOnce(&[Bytes]) -> T + Send + 'static,
    ) -> Result<T> {
        let length: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let file = Arc::clone(&self.file);
        let seen = blocking(move || {
            room::check(&file, length)?;
            write_all(&file, &chunks)?;
            Ok(also(&chunks))
        })
        .await?;
        self.written += length;
        Ok(seen)
    }

    /// Whether it is time to make durable what was written.
    pub(crate) fn is_due(&self) -> bool {
        let new = self.written - self.synced;
        new >= OFTEN || (new > 0 && self.synced_at.elapsed() >= LATELY)
    }

    /// Makes what was written durable; answers what is to be noted, if that is news.
    pub(crate) async fn sync(&mut self) -> Result<Option<Laid>> {
        if self.written == self.synced {
            return Ok(None);
        }
        let file = Arc::clone(&self.file);
        blocking(move || file.sync_data()).await?;
        (self.synced, self.synced_at) = (self.written, Instant::now());
        Ok(Some(Laid { start: self.start, length: self.written, name: self.name.clone() }))
    }

    /// What was made durable stays.
    pub(crate) fn keep(&mut self) {
        (self.kept_before, self.kept) = (self.kept, self.synced);
    }

    /// What was to stay by the last [`Sink::keep`] is not.
    pub(crate) fn take_back(&mut self) {
        self.kept = self.kept_before;
    }
}

/// All of `chunks`, in as few calls as it takes.
fn write_all(mut file: &File, chunks: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut rest = slices.as_mut_slice();
    IoSlice::advance_slices(&mut rest, 0); // past what is empty
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

impl Drop for Sink {
    /// What nobody will note gives its room back at once: a disk that is full is not to stay so, and who sends the same
    /// again and again is not to fill one. If that fails, it goes with the upload.
    fn drop(&mut self) {
        // An empty part is no part either.
        if self.kept == self.written && self.kept > 0 {
            return;
        }
        let (file, path, kept) = (Arc::clone(&self.file), std::mem::take(&mut self.path), self.kept);
        let let_go = move || {
            let done = if kept == 0 { fs::remove_file(&path) } else { file.set_len(kept) };
            if let Err(error) = done {
                tracing::debug!(error = ?error, "a part that nobody needs stays with its upload");
            }
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(let_go)),
            Err(_) => let_go(),
        }
    }
}
