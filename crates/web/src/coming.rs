//! A body that may be long: its chunks as they come, as long as enough of them do.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

/// Whoever is waited for longer than this, until so much has come, has gone, or might as well have: each that is under way
/// keeps others out.
const PATIENCE: Duration = Duration::from_secs(30);
const ENOUGH: usize = 64 * 1024;

/// A body that is being read.
pub struct Coming {
    body: Body,
    /// How much longer it is waited for more.
    patience: Duration,
    /// What has come since patience was whole.
    came: usize,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Some of it.
    Chunk(Bytes),
    /// All of it has come.
    End,
    /// No more will come.
    Broken,
}

impl Coming {
    /// Nothing of it is read yet.
    pub fn new(body: Body) -> Self {
        Self { body, patience: PATIENCE, came: 0 }
    }

    /// Waits for more of it.
    pub async fn next(&mut self) -> Next {
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
        assert_eq!((took.as_secs(), (28..=30).contains(&chunks)), (30, true), "{chunks}");
        let (_, chunks) = until_broken(dripping(&[7; 4096], second)).await;
        assert_eq!(chunks, 1000, "slow, but not too slow");
        let (took, chunks) = until_broken(dripping(b"late", 90 * second)).await;
        assert_eq!((took.as_secs(), chunks), (30, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_writing_takes_is_not_their_fault() {
        let mut coming = dripping(b"drop", Duration::from_secs(1));
        for _ in 0..25 {
            assert_eq!(coming.next().await, Next::Chunk(Bytes::from_static(b"drop")));
            tokio::time::advance(Duration::from_secs(30)).await;
        }
    }
}
