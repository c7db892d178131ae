//! A body on its way: its chunks as they come, and gathered until there is enough to write.

use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

/// Whoever is waited for longer than this, until so much has come, has gone, or might as well have: each that is under way
/// keeps others out.
const PATIENCE: Duration = Duration::from_secs(60);
const ENOUGH: usize = 64 * 1024;
/// What is shorter is copied together: else each byte of its own costs a call, and keeps the buffer it was read into.
const SHORT: usize = 4 * 1024;
/// So much of it, at most.
const TOGETHER: usize = 64 * 1024;

/// A body that is being read.
pub(crate) struct Coming {
    body: Body,
    /// How much longer it is waited for more.
    patience: Duration,
    /// What has come since patience was whole.
    came: usize,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Chunk(Bytes),
    /// All of it has come.
    End,
    /// No more will come.
    Broken,
}

impl Coming {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, patience: PATIENCE, came: 0 }
    }

    pub(crate) async fn next(&mut self) -> Next {
        while !self.patience.is_zero() {
            let asked = Instant::now();
            let frame = timeout(self.patience, self.body.frame()).await;
            // What writing takes is not counted against whoever sends.
            self.patience = self.patience.saturating_sub(asked.elapsed());
            match frame {
                // A connection may end without a word before all has come that was announced.
                Ok(None) if self.body.size_hint().lower() == 0 => return Next::End,
                Ok(Some(Ok(frame))) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    self.came += chunk.len();
                    if self.came >= ENOUGH {
                        (self.patience, self.came) = (PATIENCE, 0);
                    }
                    return Next::Chunk(chunk);
                }
                Ok(None | Some(Err(_))) | Err(_) => break,
            }
        }
        Next::Broken
    }
}

/// What has come and is not written yet.
#[derive(Default)]
pub(crate) struct Held {
    chunks: Vec<Bytes>,
    short: BytesMut,
    length: u64,
}

impl Held {
    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len() as u64;
        if chunk.len() < SHORT {
            self.short.extend_from_slice(&chunk);
            if self.short.len() >= TOGETHER {
                self.end_short();
            }
        } else {
            self.end_short();
            self.chunks.push(chunk);
        }
    }

    fn end_short(&mut self) {
        if !self.short.is_empty() {
            self.chunks.push(std::mem::take(&mut self.short).freeze());
        }
    }

    /// All of it, in order; nothing is held any more.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.end_short();
        self.length = 0;
        std::mem::take(&mut self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};

    use super::*;

    /// A body that brings `chunk` every `pause`, for ever.
    fn dripping(chunk: &'static [u8], pause: Duration) -> Coming {
        let drops = stream::repeat(Bytes::from_static(chunk)).then(move |chunk| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(chunk)
        });
        Coming::new(Body::from_stream(drops))
    }

    async fn until_broken(mut coming: Coming) -> (Duration, usize) {
        let (began, mut chunks) = (Instant::now(), 0);
        while let Next::Chunk(_) = coming.next().await {
            chunks += 1;
            if chunks == 1000 {
                break;
            }
        }
        (began.elapsed(), chunks)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_too_slow_has_gone() {
        let second = Duration::from_secs(1);
        let (took, chunks) = until_broken(dripping(b"drop", second)).await;
        assert_eq!((took.as_secs(), (58..=60).contains(&chunks)), (60, true), "{chunks}");
        let (_, chunks) = until_broken(dripping(&[7; 2048], second)).await;
        assert_eq!(chunks, 1000, "slow, but not too slow");
        let (took, chunks) = until_broken(dripping(b"late", 90 * second)).await;
        assert_eq!((took.as_secs(), chunks), (60, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_writing_takes_is_not_their_fault() {
        let mut coming = dripping(b"drop", Duration::from_secs(1));
        for _ in 0..50 {
            assert_eq!(coming.next().await, Next::Chunk(Bytes::from_static(b"drop")));
            tokio::time::advance(Duration::from_secs(30)).await;
        }
    }

    #[test]
    fn short_chunks_are_held_together_and_all_stay_in_order() {
        let mut held = Held::default();
        let all: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for byte in all.chunks(1) {
            held.push(Bytes::copy_from_slice(byte));
        }
        held.push(Bytes::from_static(&[1; SHORT]));
        held.push(Bytes::from_static(b"end"));
        held.push(Bytes::new());
        assert_eq!(held.length(), 200_000 + 4096 + 3);
        let chunks = held.take();
        assert_eq!(chunks.len(), 200_000_usize.div_ceil(TOGETHER) + 2);
        assert_eq!(chunks.concat(), [all.as_slice(), &[1; SHORT], b"end"].concat());
        assert_eq!((held.length(), held.take().len()), (0, 0));
    }
}
