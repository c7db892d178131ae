//! What belongs to a video beside its bytes: a poster, captions. They are objects as well, small ones.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use contracts::Visibility;
use kernel::{Error, Kind, ObjectId, Result, UserId, VideoId};
use objects::{Asked, Part};
use web::{AtMost, MaybeSession, PathId, Routes, Session, routes};

use crate::Streaming;
use crate::api::VideoView;
use crate::known::{Known, LookUp, gate};
use crate::language::{Lang, language};
use crate::model::{Poster, Video};
use crate::store;
use crate::store::uploads::{self, Upload};
use crate::uploads::Wish;

/// In bytes.
pub(crate) const POSTER: usize = 5 * 1024 * 1024;
pub(crate) const CAPTIONS: usize = 2 * 1024 * 1024;
/// Languages that one video may have captions in.
const LANGUAGES: usize = 50;

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new().api(routes!(set_poster, poster, drop_poster)).api(routes!(
        set_captions,
        captions,
        drop_captions
    ))
}

/// Give one's own video a poster
///
/// A JPEG, PNG or WebP picture, as its bytes say.
#[utoipa::path(
    put, path = "/api/videos/{id}/poster", tag = "videos", operation_id = "setPoster",
    params(PathId<VideoId>), security(("session" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The picture"),
    extensions(("x-raw-body" = json!(true))),
    responses(
        (status = 200, description = "The video", body = VideoView),
        (status = 413, description = "The body must be at most 5242880 bytes"),
        (status = 415, description = "A poster must be a JPEG, PNG or WebP picture"),
        (status = 507, description = "There is no room left for it | That is more than the 100 GiB that you may keep: \
            delete a video first"),
    ),
)]
async fn set_poster(
    State(streaming): State<Streaming>,
    session: Session,
    id: web::Result<PathId<VideoId>>,
    AtMost(bytes): AtMost<POSTER>,
) -> web::Result<Json<VideoView>> {
    let picture = Picture::read(bytes)?;
    let PathId(id) = id?;
    let video = streaming.set_poster(session.user, id, picture).await?;
    Ok(Json(streaming.view(&video).await?))
}

/// Look at a video's poster
#[utoipa::path(
    get, path = "/api/videos/{id}/poster", tag = "videos", operation_id = "getPoster",
    params(PathId<VideoId>), security((), ("session" = [])),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/*"),
        (status = 206, description = "A part of it", body = Vec<u8>, content_type = "image/*"),
        (status = 304, description = "As the preconditions of the request have it"),
        (status = 404, description = "Not found"),
    ),
)]
async fn poster(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
    method: Method,
    headers: HeaderMap,
) -> web::Result<Response> {
    let video = streaming.shown_to(session.map(|session| session.user), id).await?;
    let Some(Poster { object_id, content_type }) = &video.poster else { Err(Error::not_found())? };
    Ok(streaming.small(*object_id, content_type, &video, method, headers).await?)
}

/// Take a video's poster away
#[utoipa::path(
    delete, path = "/api/videos/{id}/poster", tag = "videos", operation_id = "dropPoster",
    params(PathId<VideoId>), security(("session" = [])),
    responses((status = 204, description = "It has none")),
)]
async fn drop_poster(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
) -> web::Result<StatusCode> {
    streaming.change_poster(session.user, id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give one's own video captions
///
/// WebVTT, in the language that the path names (BCP 47, e.g. `en` or `pt-BR`).
#[utoipa::path(
    put, path = "/api/videos/{id}/captions/{lang}", tag = "videos", operation_id = "setCaptions",
    params(PathId<VideoId>, ("lang" = String, Path, description = "The language", pattern = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")),
    security(("session" = [])),
    request_body(content = Vec<u8>, content_type = "text/vtt", description = "The captions"),
    extensions(("x-raw-body" = json!(true))),
    responses(
        (status = 200, description = "The video", body = VideoView),
        (status = 400, description = "The language must be a tag as en or pt-BR"),
        (status = 409, description = "A video may have captions in 50 languages"),
        (status = 413, description = "The body must be at most 2097152 bytes"),
        (status = 415, description = "Captions must be WebVTT"),
        (status = 507, description = "There is no room left for it | That is more than the 100 GiB that you may keep: \
            delete a video first"),
    ),
)]
async fn set_captions(
    State(streaming): State<Streaming>,
    session: Session,
    id: web::Result<PathId<VideoId>>,
    Lang(lang): Lang,
    AtMost(bytes): AtMost<CAPTIONS>,
) -> web::Result<Json<VideoView>> {
    let lang = language(&lang)?;
    let PathId(id) = id?;
    let video = streaming.set_captions(session.user, id, &lang, Some(bytes)).await?;
    Ok(Json(streaming.view(&video).await?))
}

/// Read a video's captions
#[utoipa::path(
    get, path = "/api/videos/{id}/captions/{lang}", tag = "videos", operation_id = "getCaptions",
    params(PathId<VideoId>, ("lang" = String, Path, description = "The language")),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "The captions", body = Vec<u8>, content_type = "text/vtt"),
        (status = 206, description = "A part of them", body = Vec<u8>, content_type = "text/vtt"),
        (status = 304, description = "As the preconditions of the request have it"),
        (status = 401, description = "Not authorized"),
        (status = 404, description = "Not found"),
    ),
)]
async fn captions(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
    Lang(lang): Lang,
    method: Method,
    headers: HeaderMap,
) -> web::Result<Response> {
    let video = streaming.video(&LookUp::Id(id)).await?;
    streaming.admit(&video, session.map(|session| session.user)).await?;
    let object = store::caption(&streaming.0.db, id, &lang).await?.ok_or_else(Error::not_found)?;
    Ok(streaming.small(object, "text/vtt; charset=utf-8", &video, method, headers).await?)
}

/// Take a video's captions away
#[utoipa::path(
    delete, path = "/api/videos/{id}/captions/{lang}", tag = "videos", operation_id = "dropCaptions",
    params(PathId<VideoId>, ("lang" = String, Path, description = "The language")),
    security(("session" = [])),
    responses((status = 204, description = "It has none in this language")),
)]
async fn drop_captions(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
    Lang(lang): Lang,
) -> web::Result<StatusCode> {
    streaming.set_captions(session.user, id, &lang, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture, as its bytes say.
pub(crate) struct Picture {
    bytes: Bytes,
    content_type: &'static str,
}

impl Picture {
    /// # Errors
    /// 415 for anything else.
    pub(crate) fn read(bytes: Bytes) -> Result<Self> {
        let told = "A poster must be a JPEG, PNG or WebP picture";
        let image = containers::sniff_image(&bytes).ok_or_else(|| Error::new(Kind::UnsupportedType, told))?;
        Ok(Self { bytes, content_type: image.content_type() })
    }
}

/// Whether bytes are captions: 415 if not.
fn captions_in(bytes: &[u8]) -> Result<()> {
    if containers::is_webvtt(bytes) {
        return Ok(());
    }
    Err(Error::new(Kind::UnsupportedType, "Captions must be WebVTT"))
}

impl Streaming {
    /// Gives a video of one's own a poster.
    ///
    /// # Errors
    /// 404; 401 for another's; 507.
    pub(crate) async fn set_poster(&self, user: UserId, id: VideoId, picture: Picture) -> Result<Video> {
        self.owned(user, id).await?;
        let upload = self.keep(user, picture.bytes).await?;
        let given_up = self.unless_kept(upload.clone());
        let poster = Poster { object_id: upload.object_id, content_type: picture.content_type.to_owned() };
        let video = self.change_poster(user, id, Some((poster, upload))).await?;
        given_up.keep();
        Ok(video)
    }

    /// Sets or drops a video's poster; what was there is let go. With a new one comes the upload that it was.
    pub(crate) async fn change_poster(
        &self,
        user: UserId,
        id: VideoId,
        poster: Option<(Poster, Upload)>,
    ) -> Result<Video> {
        let poster = &poster;
        let changed = self.0.db.write(|tx| async move {
            let video = store::find(&tx, id).await?;
            own(&video, user)?;
            if let Some((_, upload)) = poster
                && !uploads::attach(&tx, upload).await?
            {
                return Err(over());
            }
            if let Some(old) = &video.poster {
                store::remove(&tx, old.object_id).await?;
            }
            let poster = poster.as_ref().map(|(poster, _)| poster.clone());
            let video = store::update(&tx, &Video { poster, ..video.next() }).await?;
            self.changed(&tx, &video, false);
            Ok(video)
        });
        let video = changed.await?;
        self.0.leaving.notify_one();
        Ok(video)
    }

    /// Sets or drops (`None`) the captions of a video of one's own.
    ///
    /// # Errors
    /// 404; 401 for another's; 409 in too many languages; 507.
    pub(crate) async fn set_captions(
        &self,
        user: UserId,
        id: VideoId,
        lang: &str,
        bytes: Option<Bytes>,
    ) -> Result<Video> {
        bytes.as_deref().map(captions_in).transpose()?;
        self.owned(user, id).await?;
        let upload = match bytes {
            Some(bytes) => Some(self.keep(user, bytes).await?),
            None => None,
        };
        let given_up = upload.clone().map(|upload| self.unless_kept(upload));
        let upload = &upload;
        let changed = self.0.db.write(|tx| async move {
            let video = store::find(&tx, id).await?;
            own(&video, user)?;
            if let Some(upload) = upload
                && !uploads::attach(&tx, upload).await?
            {
                return Err(over());
            }
            let object = upload.as_ref().map(|upload| upload.object_id);
            let was_there = store::set_caption(&tx, id, lang, object).await?;
            if object.is_none() && !was_there {
                return Err(Error::not_found());
            }
            if store::captions_in(&tx, id).await? > LANGUAGES {
                return Err(Error::conflict("A video may have captions in 50 languages"));
            }
            let video = store::update(&tx, &video.next()).await?;
            self.changed(&tx, &video, false);
            Ok(video)
        });
        let video = changed.await?;
        if let Some(given_up) = given_up {
            given_up.keep();
        }
        self.0.leaving.notify_one();
        Ok(video)
    }

    /// Stores something small as an object, under an upload that ends with whatever comes to speak of it.
    async fn keep(&self, owner: UserId, bytes: Bytes) -> Result<Upload> {
        let (length, visibility) = (bytes.len() as u64, Visibility::Private);
        let wish =
            Wish { name: String::new(), title: None, visibility, length: Some(length), metadata: None };
        let upload = self.begin(owner, wish, uploads::Kind::Attached).await?;
        let given_up = self.unless_kept(upload.clone());
        let part = Part { offset: 0, most: length, body: Body::from(bytes), digest: None, at_hand: true };
        self.0.objects.append(upload.object_id, part).await?;
        self.0.objects.publish(upload.object_id, None).await?;
        given_up.keep();
        Ok(upload)
    }

    async fn small(
        &self,
        object: ObjectId,
        content_type: &str,
        video: &Video,
        method: Method,
        headers: HeaderMap,
    ) -> Result<Response> {
        let asked = Asked { method, headers, content_type: content_type.to_owned(), by_sendfile: false };
        let mut answer = self.0.objects.answer(object, asked).await?;
        gate(answer.headers_mut(), video);
        Ok(answer)
    }

    /// Somebody's own video.
    ///
    /// # Errors
    /// 404; 401 for another's.
    pub(crate) async fn owned(&self, user: UserId, id: VideoId) -> Result<Known> {
        let video = self.video(&LookUp::Id(id)).await?;
        own(&video, user).map(|()| video)
    }
}

/// It was given up before it was done, for that took too long.
fn over() -> Error {
    Error::unavailable("an upload was given up before it was done")
}

/// Whether a video is somebody's own; one that they may not even see is not there.
pub(crate) fn own(video: &Video, user: UserId) -> Result<()> {
    match video.visibility {
        _ if video.owner_id == user => Ok(()),
        Visibility::Private => Err(Error::not_found()),
        Visibility::Public | Visibility::Ticket => Err(Error::unauthorized()),
    }
}
