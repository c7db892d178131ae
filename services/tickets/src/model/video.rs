//! A video as tickets knows it, pure. Streaming owns it; this is the copy that its events feed.

use contracts::{Event, VideoState, Visibility};
use kernel::{UserId, VideoId};

/// The copy of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// The video.
    pub id: VideoId,
    /// Of which version this is the copy.
    pub version: i64,
    /// Who uploaded it.
    pub owner_id: UserId,
    /// Its title.
    pub title: String,
    /// Who may watch it.
    pub visibility: Visibility,
    /// In milliseconds, if its container says so.
    pub duration: Option<i64>,
    /// Whether there is a poster.
    pub has_poster: bool,
    /// Whether it was deleted.
    pub gone: bool,
}

impl Video {
    /// The video that an event announces, if it does.
    pub fn of(event: &Event) -> Option<Self> {
        let VideoState { id, version, owner_id, title, visibility, duration, has_poster, .. } =
            event.video()?;
        Some(Self {
            id: *id,
            version: *version,
            owner_id: *owner_id,
            title: title.clone(),
            visibility: *visibility,
            duration: *duration,
            has_poster: *has_poster,
            gone: matches!(event, Event::VideoDeleted(_)),
        })
    }

    /// Whether nobody but its owner may watch it.
    pub fn is_private(&self) -> bool {
        self.visibility == Visibility::Private
    }

    /// Whether it is there, and this seller's.
    pub fn is_of(&self, seller: UserId) -> bool {
        self.owner_id == seller && !self.gone
    }
}
