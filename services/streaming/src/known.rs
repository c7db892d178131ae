//! Videos as they are remembered, and what becomes known when one changes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use cache::Read;
use contracts::{Event, Visibility};
use db::Tx;
use kernel::{Error, Result, VideoId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::model::Video;
use crate::{Streaming, store};

/// What a video is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LookUp {
    /// Its id.
    Id(VideoId),
    /// Its path.
    Path(String),
}

impl fmt::Display for LookUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Path(path) => write!(f, "path:{path}"),
        }
    }
}

impl cache::Key for LookUp {}

/// A video at one version, and what its answers say. Clones share it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Video", into = "Video")]
pub(crate) struct Known(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    video: Video,
    /// What its file is called, for who keeps it.
    inline: Option<HeaderValue>,
}

impl Known {
    /// The `Content-Disposition` of an answer (RFC 6266).
    pub(crate) fn inline(&self) -> Option<&HeaderValue> {
        self.0.inline.as_ref()
    }
}

impl From<Video> for Known {
    fn from(video: Video) -> Self {
        let inline = HeaderValue::try_from(format!("inline; filename*=UTF-8''{}", escaped(&video.path))).ok();
        Self(Arc::new(Shown { video, inline }))
    }
}

impl From<Known> for Video {
    fn from(known: Known) -> Self {
        known.0.video.clone()
    }
}

impl Deref for Known {
    type Target = Video;

    fn deref(&self) -> &Video {
        &self.0.video
    }
}

/// Says who may keep an answer about a video: one that is gated is another for another viewer.
pub(crate) fn gate(headers: &mut HeaderMap, video: &Video) {
    if video.visibility == Visibility::Public {
        headers.insert(header::CACHE_CONTROL, web::PUBLIC);
        return;
    }
    headers.insert(header::CACHE_CONTROL, web::PRIVATE);
    headers.insert(header::VARY, HeaderValue::from_static("cookie, authorization"));
}

/// All but attr-char (RFC 8187, section 3.2.1).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

fn escaped(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, ESCAPED)
}

/// No file has a longer name.
const LONGEST: usize = 300;

impl Streaming {
    /// A video, remembered for ten seconds at most, whatever other copies do.
    ///
    /// # Errors
    /// 404.
    pub(crate) async fn video(&self, key: &LookUp) -> Result<Known> {
        if matches!(key, LookUp::Path(path) if path.len() > LONGEST || path.chars().any(char::is_control)) {
            return Err(Error::not_found());
        }
        let load = || {
            let (db, key) = (self.0.db.clone(), key.clone());
            async move {
                let Read { value, stamp } = store::look_up(&db, &key).await?;
                Ok(Read { value: value.map(Known::from), stamp })
            }
        };
        let found = self.0.videos.get(key, 0, load).await?;
        found.value.ok_or_else(Error::not_found)
    }

    /// Once it is durable, nobody here is told what was before it; other processes hear of it by its event.
    pub(crate) fn changed(&self, tx: &Tx, video: &Video, is_gone: bool) {
        let (videos, at) = (self.0.videos.clone(), Instant::now());
        let value = (!is_gone).then(|| Known::from(video.clone()));
        let (keys, change) = (keys(video.id, &video.path), video.change);
        let (live, topic) = (self.0.web.changes().clone(), topic(video.id));
        let runtime = Handle::current();
        tx.after_commit(move || {
            for key in &keys {
                videos.wrote_here(key, value.clone(), change, at);
            }
            live.announce(&topic);
            runtime.spawn(async move {
                let rows: Vec<_> = keys.into_iter().map(|key| (key, value.clone())).collect();
                videos.wrote(&rows, change, at).await;
            });
        });
    }

    /// Has whoever looks a video up forget what was before an event, if it is of one.
    pub async fn heard(&self, event: &Event) {
        if let Some(video) = event.video() {
            self.0.videos.forget(&keys(video.id, &video.path), video.change).await;
        }
    }
}

fn keys(id: VideoId, path: &str) -> [LookUp; 2] {
    [LookUp::Id(id), LookUp::Path(path.to_owned())]
}

/// What open pages of a video listen for.
pub(crate) fn topic(id: VideoId) -> String {
    format!("video:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_escaped_for_its_header() {
        assert_eq!(escaped("a b\"é!'.mp4").to_string(), "a%20b%22%C3%A9!%27.mp4");
    }
}
