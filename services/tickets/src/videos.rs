//! The videos that tickets admit to: copied as streaming tells of them, and looked up before a seller may name one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use db::Tx;
use kernel::{Error, Kind, Result, UserId, VideoId};
use tokio::time::{Instant, timeout_at};

use crate::model::Video;
use crate::{Tickets, store};

/// How long a video that tickets has not heard of yet is waited for, as orders waits for tickets, and how long at most
/// between looks.
const WAIT_FOR_COPY: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(20);
/// So many of a seller's videos are offered for choice.
const OFFERED: i64 = 200;

impl Tickets {
    /// Copies videos, each at the newest version at hand.
    pub(crate) async fn copy(&self, tx: &Tx, videos: BTreeMap<VideoId, Video>) -> Result<()> {
        if videos.is_empty() {
            return Ok(());
        }
        store::videos::copy(tx, videos.values()).await?;
        let heard = Arc::clone(&self.0.videos);
        tx.after_commit(move || heard.notify_waiters());
        Ok(())
    }

    /// Whether a ticket of this seller may admit to a video. One that was published or opened an instant ago is waited
    /// for.
    ///
    /// # Errors
    /// 400 if it may not, as where nobody else could watch it; 503 if the video is not known and may well exist, for the bus is away.
    pub(crate) async fn may_admit_to(&self, video: VideoId, seller: UserId) -> Result<()> {
        let deadline = Instant::now() + WAIT_FOR_COPY;
        loop {
            let last = Instant::now() >= deadline;
            // Registered before asking, so that a copy that arrives meanwhile is not missed.
            let heard = self.0.videos.notified();
            tokio::pin!(heard);
            heard.as_mut().enable();
            match store::videos::read(&self.0.db, video).await? {
                Some(video) if !video.is_of(seller) => return Err(not_theirs()),
                Some(video) if !video.is_private() => return Ok(()),
                Some(_) if last => return Err(hidden()),
                None if last => {
                    let error = self.0.web.unheard_of();
                    return Err(if error.kind == Kind::NotFound { not_theirs() } else { error });
                }
                // Or it is another process that hears of it, whose bell does not ring here.
                Some(_) | None => {
                    let _ = timeout_at(deadline.min(Instant::now() + LOOK), heard).await;
                }
            }
        }
    }

    /// Whether a ticket may go on admitting to the video that it has: any but a private one, which may have become that
    /// while the ticket was over.
    ///
    /// # Errors
    /// As [`Tickets::may_admit_to`].
    pub(crate) async fn may_still_admit_to(&self, video: VideoId, seller: UserId) -> Result<()> {
        match store::videos::read(&self.0.db, video).await? {
            Some(copy) if copy.is_private() && !copy.gone => self.may_admit_to(video, seller).await,
            _ => Ok(()),
        }
    }

    /// What a seller may choose among: their latest videos, and `chosen`, which a ticket of theirs has already.
    pub(crate) async fn offered(&self, seller: UserId, chosen: Option<VideoId>) -> Result<Vec<Video>> {
        let mut videos = store::videos::of_owner(&self.0.db, seller, OFFERED).await?;
        if let Some(chosen) = chosen.filter(|id| videos.iter().all(|video| video.id != *id)) {
            videos.extend(store::videos::read(&self.0.db, chosen).await?);
        }
        Ok(videos)
    }
}

fn not_theirs() -> Error {
    Error::invalid("VideoId must be the id of one of your videos").at("videoId")
}

fn hidden() -> Error {
    Error::invalid("This video is private: first let whoever has a ticket watch it").at("videoId")
}

#[cfg(test)]
mod tests;
