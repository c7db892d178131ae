//! The body of an answer, out of a file.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};

use crate::Slice;

use super::buffers::{BUFFER, Buffer};
use super::files::File;
use super::warm::{elsewhere, fill_now, is_warm, warm_up};

/// How the bytes of a file get to whoever asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They are read into memory.
    Memory,
    /// By sendfile, on a connection that takes that ([`sendfile::takes_files`]).
    Sendfile {
        /// What a part has to be longer than, in bytes. A short one is copied, and leaves in one call together with the
        /// head.
        over: u64,
        /// How much is handed over at a time, in bytes.
        window: u64,
    },
}

impl Way {
    /// By sendfile as it is fastest.
    pub const SENDFILE: Self = Self::Sendfile { over: 8 * 1024, window: 512 * 1024 };
}

/// A body of `slices` of an object and of what is between them. Its length is known. Slices must lie within the object:
/// one that does not, or that cannot be read, ends the body early, which closes the connection.
pub fn body(file: Arc<File>, slices: Vec<Slice>, way: Way) -> Body {
    let len = |slice: &Slice| match slice {
        Slice::Bytes(bytes) => bytes.len() as u64,
        Slice::Object(range) => range.end.saturating_sub(range.start),
    };
    let left = slices.iter().map(len).sum();
    Body::new(Reader { file, slices: slices.into(), part: None, way, left, waiting: None })
}

struct Reader {
    file: Arc<File>,
    /// What comes after `part`.
    slices: VecDeque<Slice>,
    part: Option<Part>,
    way: Way,
    /// How many bytes are to come.
    left: u64,
    /// A read that waits for the disk.
    waiting: Option<BoxFuture<'static, io::Result<Bytes>>>,
}

/// What is to come of a part of the object, which is not empty.
struct Part {
    range: Range<u64>,
    /// How much of it is handed over at a time, if by sendfile.
    window: Option<u64>,
}

/// What comes of reading.
enum Step {
    Done(Bytes),
    Waiting(BoxFuture<'static, io::Result<Bytes>>),
}

impl Reader {
    /// The next bytes, of which there must be some to come.
    fn step(&mut self) -> io::Result<Step> {
        let part = match self.part.take() {
            Some(part) => part,
            None => match self.slices.pop_front() {
                Some(Slice::Bytes(bytes)) => return Ok(Step::Done(bytes)),
                Some(Slice::Object(range)) if range.is_empty() => return Ok(Step::Done(Bytes::new())),
                Some(Slice::Object(range)) if range.end <= self.file.size() => self.begin(range),
                Some(_) | None => return Err(io::ErrorKind::UnexpectedEof.into()),
            },
        };
        let Part { range, window } = part;
        let end = range.end.min(range.start.saturating_add(window.unwrap_or(BUFFER as u64)));
        if end < range.end {
            self.part = Some(Part { range: end..range.end, window });
        }
        match (&self.file.mapped, window) {
            (Some(mapped), Some(_)) => tagged(&self.file, mapped, range.start..end),
            _ => copied(&self.file, range.start..end),
        }
    }

    fn begin(&self, range: Range<u64>) -> Part {
        let window = match self.way {
            Way::Sendfile { over, window } if range.end - range.start > over => Some(window.max(1)),
            _ => None,
        };
        Part { range, window: window.filter(|_| self.file.mapped.is_some()) }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let read = ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
                return Poll::Ready(read);
            }
            match self.step()? {
                Step::Done(bytes) => return Poll::Ready(Ok(bytes)),
                Step::Waiting(waiting) => self.waiting = Some(waiting),
            }
        }
    }
}

/// Bytes that stand for a range, once it is in memory: then sending it does not wait for the disk.
fn tagged(file: &File, mapped: &sendfile::Mapped, range: Range<u64>) -> io::Result<Step> {
    let tag = mapped.slice(range.clone());
    if is_warm(&file.file, &range)? {
        return Ok(Step::Done(tag));
    }
    let file = Arc::clone(&file.file);
    Ok(Step::Waiting(elsewhere(move || warm_up(&file, range).map(|()| tag))))
}

/// A copy of a range, which fits into a buffer.
fn copied(file: &File, range: Range<u64>) -> io::Result<Step> {
    let len = usize::try_from(range.end - range.start).map_or(BUFFER, |len| len.min(BUFFER));
    let mut buffer = Buffer::new(len);
    let filled = fill_now(&file.file, buffer.room(), range.start)?;
    if filled == len {
        return Ok(Step::Done(buffer.into_bytes()));
    }
    let file = Arc::clone(&file.file);
    Ok(Step::Waiting(elsewhere(move || {
        let at = range.start + filled as u64;
        std::os::unix::fs::FileExt::read_exact_at(&*file, &mut buffer.room()[filled..], at)?;
        Ok(buffer.into_bytes())
    })))
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        while this.left > 0 {
            match ready!(this.poll_step(cx)) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => {
                    this.left = this.left.saturating_sub(bytes.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Err(e) => {
                    tracing::error!(
                        error = &e as &dyn std::error::Error,
                        left = this.left,
                        "cannot read an object"
                    );
                    this.left = 0;
                    return Poll::Ready(Some(Err(e)));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests;
