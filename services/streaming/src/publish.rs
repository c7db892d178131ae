//! Publishing what is at hand, as the demo does: the same way as an upload goes, in one call.

use axum::body::{Body, Bytes};
use contracts::Visibility;
use kernel::{Result, UserId};
use objects::Part;

use crate::Streaming;
use crate::attachments::Picture;
use crate::model::Video;
use crate::store::uploads;
use crate::uploads::Wish;

/// A film, with what belongs to it.
#[derive(Debug, Clone)]
pub struct Film {
    /// What the file is called.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Who may watch it.
    pub visibility: Visibility,
    /// The file.
    pub bytes: &'static [u8],
    /// A JPEG, PNG or WebP picture.
    pub poster: &'static [u8],
    /// WebVTT, by language.
    pub captions: Option<(&'static str, &'static [u8])>,
}

impl Streaming {
    /// Publishes a film of `owner`.
    ///
    /// # Errors
    /// As an upload of it.
    pub async fn publish(&self, owner: UserId, film: Film) -> Result<Video> {
        let length = film.bytes.len() as u64;
        let wish = Wish {
            name: film.name.into(),
            title: Some(film.title.into()),
            visibility: film.visibility,
            length: Some(length),
            metadata: None,
        };
        let upload = self.begin(owner, wish, uploads::Kind::Once).await?;
        let given_up = self.unless_kept(upload.clone());
        let part =
            Part { offset: 0, most: length, body: Body::from(film.bytes), digest: None, at_hand: true };
        self.append(&upload, part).await?;
        let video = self.finish(upload, None, Some(given_up)).await?;
        self.set_poster(owner, video.id, Picture::read(Bytes::from_static(film.poster))?).await?;
        if let Some((lang, text)) = film.captions {
            self.set_captions(owner, video.id, lang, Some(Bytes::from_static(text))).await?;
        }
        Ok(video)
    }
}
