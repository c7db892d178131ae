//! Signed links, for players that keep no cookies: whoever has one watches as whoever made it, as long as that one may and
//! the link has not ended.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use kernel::{Clock, Error, Instant, Result, UserId, VideoId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Answer, Json, MaybeSession, PathId, Routes, routes};

use crate::known::LookUp;
use crate::{Streaming, store};

/// How long a link lasts if nothing is said: a film and a pause.
const USUAL: i64 = 6 * 3600;
/// And at most.
pub(crate) const LONGEST: i64 = 7 * 86_400;

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new().api(routes!(create))
}

/// Signs links and checks them.
pub(crate) struct Links {
    sign: EncodingKey,
    check: DecodingKey,
    clock: Clock,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    /// Tells a link from anything else that is signed.
    aud: String,
    video: VideoId,
    /// Whoever made it, if they were signed in.
    user: Option<UserId>,
    /// In seconds since 1970.
    exp: i64,
}

const LINK: &str = "marquee:link";

impl Links {
    /// By the installation's key, of which one is made for this alone.
    pub(crate) fn new(key: &[u8], clock: Clock) -> Self {
        use sha2::{Digest as _, Sha256};
        let own = Sha256::new().chain_update(LINK).chain_update([0]).chain_update(key).finalize();
        Self { sign: EncodingKey::from_secret(&own), check: DecodingKey::from_secret(&own), clock }
    }

    fn make(&self, video: VideoId, user: Option<UserId>, exp: i64) -> Result<String> {
        let claims = Claims { aud: LINK.into(), video, user, exp };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|e| Error::internal("a link could not be signed").because(e))
    }

    /// Who watches `video` by a link and until when, if it is one to it and has not ended; without a user it is somebody
    /// without a name.
    fn viewer(&self, link: &str, video: VideoId) -> Option<(Option<UserId>, Instant)> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[LINK]);
        // By our own clock, below.
        validation.validate_exp = false;
        let claims = decode::<Claims>(link, &self.check, &validation).ok()?.claims;
        let ends = Instant::from_millis(claims.exp.checked_mul(1000)?);
        (claims.video == video && self.clock.now() < ends).then_some((claims.user, ends))
    }
}

/// What the call takes, as the API's reference says it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "expiresIn": 3600 }))]
#[allow(dead_code)]
struct LinkBody {
    /// In seconds; six hours unless it is said, a week at most.
    #[schema(minimum = 1, maximum = 604_800)]
    expires_in: Option<i64>,
}

/// A link.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
#[serde(rename_all = "camelCase")]
struct LinkView {
    /// Where the video is, below this site.
    url: String,
    /// When the link ends.
    expires_at: Instant,
}

/// Make a link that plays without a cookie
///
/// For whoever may watch. Whoever has the link watches as they do: it ends when it expires, when they are no longer
/// admitted, and with their account.
#[utoipa::path(
    post, path = "/api/videos/{id}/links", tag = "videos", operation_id = "createLink",
    params(PathId<VideoId>), security((), ("session" = [])), request_body = LinkBody,
    responses(
        (status = 201, description = "The link", body = LinkView),
        (status = 400, description = "expiresIn: ExpiresIn must be between 1 and 604800 seconds"),
        (status = 401, description = "Not authorized"),
    ),
)]
async fn create(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
    Json(mut fields): Json,
) -> web::Result<Response> {
    let message = "ExpiresIn must be between 1 and 604800 seconds";
    let lasts = fields.optional_integer("expiresIn", message, 1..=LONGEST);
    fields.finish()?;
    let viewer = session.map(|session| session.user);
    let link = streaming.link(viewer, id, lasts.unwrap_or(USUAL)).await?;
    Ok(Answer::created(&LinkView { url: link.path, expires_at: link.expires_at }).into_response())
}

/// A link to a video.
pub(crate) struct Link {
    /// Its path on this site, with its query.
    pub path: String,
    /// When it ends.
    pub expires_at: Instant,
}

impl Streaming {
    /// Who watches `video` by a link and until when, as [`Links::viewer`]. The links of whoever is gone have ended.
    pub(crate) async fn by_link(
        &self,
        link: Option<&str>,
        video: VideoId,
    ) -> Result<Option<(Option<UserId>, Instant)>> {
        let Some((viewer, ends)) = link.and_then(|link| self.0.links.viewer(link, video)) else {
            return Ok(None);
        };
        let has_ended = match viewer {
            Some(user) => store::has_departed(&self.0.db, user).await?,
            None => false,
        };
        Ok((!has_ended).then_some((viewer, ends)))
    }

    /// Makes a link that lasts so many seconds, by which somebody watches as `viewer` may.
    ///
    /// # Errors
    /// As for watching itself.
    pub(crate) async fn link(&self, viewer: Option<UserId>, id: VideoId, lasts: i64) -> Result<Link> {
        let video = self.video(&LookUp::Id(id)).await?;
        self.admit(&video, viewer).await?;
        let ends = self.0.web.clock().now() + Duration::from_secs(lasts.unsigned_abs());
        let exp = ends.as_seconds();
        let link = self.0.links.make(id, viewer, exp)?;
        let path = format!("/video?id={id}&link={link}");
        Ok(Link { path, expires_at: Instant::from_millis(exp * 1000) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_to_one_video_and_ends() {
        let clock = Clock::manual(Instant::from_millis(1_700_000_000_000));
        let links = Links::new(b"key", clock.clone());
        let (video, user) = (VideoId::new(&clock), UserId::new(&clock));
        let link = links.make(video, Some(user), 1_700_000_060).unwrap();
        let ends = Instant::from_millis(1_700_000_060_000);
        assert_eq!(links.viewer(&link, video), Some((Some(user), ends)));
        assert_eq!(links.viewer(&links.make(video, None, 1_700_000_060).unwrap(), video), Some((None, ends)));
        assert_eq!(links.viewer(&link, VideoId::new(&clock)), None, "another video");
        assert_eq!(Links::new(b"other", clock.clone()).viewer(&link, video), None, "another house");
        assert_eq!(links.viewer(&link[..link.len() - 2], video), None);
        clock.advance(Duration::from_secs(60));
        assert_eq!(links.viewer(&link, video), None, "it has ended");
    }
}
