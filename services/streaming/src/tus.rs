//! Resumable uploads by tus 1.0 (https://tus.io/protocols/resumable-upload): the core, creation (also with the first
//! bytes), termination, checksum and expiration.

mod headers;
mod version;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use kernel::{Error, Kind, Result, VideoId};
use objects::{Appended, Came, Part};
use web::{PathId, Problem, Routes, Session, Unhurried, routes};

use crate::Streaming;
use crate::known::LookUp;
use crate::store::uploads::{self, Upload};
use crate::uploads::{Abandon, Wish};
use headers::{checksum, metadata, number, offset_type};
use version::{TusResumable, spoken};

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

pub(crate) fn routes() -> Routes<Streaming> {
    let (schemas, paths, methods) = routes!(options, create, list);
    let all = Routes::new().api((schemas, paths, methods.layer(map_response(spoken))));
    let (schemas, paths, methods) = routes!(state, append, terminate, overridden);
    all.api((schemas, paths, methods.layer(map_response(spoken))))
}

/// Ask what the upload server can do
#[utoipa::path(
    options, path = "/api/uploads", tag = "videos", operation_id = "describeUploads", security(),
    responses((status = 204, description = "tus 1.0: `Tus-Version`, `Tus-Extension`, `Tus-Max-Size`, \
        `Tus-Checksum-Algorithm`")),
)]
async fn options(State(streaming): State<Streaming>) -> Response {
    let extensions = "creation,creation-with-upload,termination,checksum,expiration";
    let told = [
        ("tus-version", "1.0.0".to_owned()),
        ("tus-extension", extensions.to_owned()),
        ("tus-max-size", streaming.0.settings.limit.to_string()),
        ("tus-checksum-algorithm", "sha1,sha256".to_owned()),
    ];
    (StatusCode::NO_CONTENT, told).into_response()
}

/// Begin a resumable upload
///
/// By tus 1.0: `Upload-Length`, and `Upload-Metadata` with `filename` and, if they are wanted, `title` and `visibility`.
#[utoipa::path(
    post, path = "/api/uploads", tag = "videos", operation_id = "createUpload",
    params(
        TusResumable,
        ("Upload-Length" = u64, Header, description = "How long it will be, in bytes"),
        ("Upload-Metadata" = Option<String>, Header, description = "Names and base64 values, by commas"),
    ),
    security(("session" = [])),
    responses(
        (status = 201, description = "`Location` is where it is sent; `Upload-Expires`, until when"),
        (status = 400, description = "Upload-Length must be a number of bytes | Upload-Metadata must be names with base64 \
            values | Upload-Metadata must be at most 4096 bytes | title: Title must be 1 to 200 characters | visibility: Visibility must be public, ticket or private"),
        (status = 409, description = "You have too many uploads under way: finish or cancel one first"),
        (status = 412, description = "This is tus 1.0.0: say so in Tus-Resumable"),
        (status = 413, description = "A video must be at most 20 GiB"),
        (status = 415, description = "This is no video that can be played here: send MP4, WebM, MOV, MKV or Ogg"),
        (status = 429, description = "You send too many videos at once: wait until one of them is through"),
        (status = 507, description = "There is no room left for it | That is more than the 100 GiB that you may keep: \
            delete a video first"),
    ),
)]
async fn create(
    State(streaming): State<Streaming>,
    session: Session,
    _: TusResumable,
    headers: HeaderMap,
    _: Unhurried,
    body: Body,
) -> web::Result<Response> {
    let length = number(&headers, &UPLOAD_LENGTH)?;
    let wish = Wish { length: Some(length), ..metadata(&headers)? };
    checksum(&headers)?;
    let upload = streaming.begin(session.user, wish, uploads::Kind::Resumable).await?;
    // Nobody is told where it is, unless all goes well.
    let given_up = streaming.unless_kept(upload.clone());
    let location = format!("/api/uploads/{}", upload.id);
    // With the first bytes, if they come along.
    let offset = if headers.contains_key(header::CONTENT_TYPE) && offset_type(&headers).is_ok() {
        let appended = streaming.take_in(&upload, 0, body, &headers, Some(given_up)).await?;
        if appended.came == Came::Spoilt {
            return Ok(spoilt());
        }
        // Of a part that broke off, what came is kept, and it goes on from there.
        appended.offset
    } else {
        given_up.keep();
        0
    };
    let mut response = moved(StatusCode::CREATED, &upload, offset);
    response.headers_mut().insert(header::LOCATION, value(location)?);
    Ok(response)
}

/// List one's own uploads under way
#[utoipa::path(
    get, path = "/api/uploads", tag = "videos", operation_id = "listUploads", security(("session" = [])),
    responses((status = 200, description = "The latest 50, newest first", body = Vec<UploadView>)),
)]
async fn list(State(streaming): State<Streaming>, session: Session) -> web::Result<Response> {
    let under_way = streaming.under_way(session.user).await?;
    let views: Vec<_> =
        under_way.into_iter().map(|(upload, offset)| UploadView::new(upload, offset)).collect();
    Ok(axum::Json(views).into_response())
}

/// An upload under way.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Upload)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadView {
    /// What will be the video's id.
    id: VideoId,
    /// Where it is sent.
    location: String,
    /// The file's name.
    name: String,
    /// How long it will be, in bytes.
    length: i64,
    /// How much of it is here.
    offset: u64,
    /// Until when it is kept.
    expires_at: kernel::Instant,
    /// Why it did not become a video.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl UploadView {
    fn new(upload: Upload, offset: u64) -> Self {
        let Upload { id, name, length, expires_at, refused, .. } = upload;
        Self { id, location: format!("/api/uploads/{id}"), name, length, offset, expires_at, refused }
    }
}

/// Ask how far an upload has come
#[utoipa::path(
    head, path = "/api/uploads/{id}", tag = "videos", operation_id = "headUpload",
    params(PathId<VideoId>, TusResumable),
    security(("session" = [])),
    responses(
        (status = 200, description = "`Upload-Offset`, `Upload-Length`, and `Upload-Metadata` as it was given"),
        (status = 410, description = "It was refused"),
        (status = 412, description = "This is tus 1.0.0: say so in Tus-Resumable"),
    ),
)]
async fn state(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
    _: TusResumable,
) -> web::Result<Response> {
    let mut response = match streaming.upload_of(&session, id).await? {
        Some(upload) => {
            let offset = streaming.0.objects.uploaded(upload.object_id).await?;
            if offset >= upload.length.unsigned_abs() {
                // Whoever was to finish it is gone, or about to be done.
                drop(tokio::spawn(streaming.clone().finish_again(upload.clone())));
            }
            let mut response = moved(StatusCode::OK, &upload, offset);
            if let Some(metadata) = upload.metadata {
                response.headers_mut().insert(UPLOAD_METADATA, value(metadata)?);
            }
            response
        }
        None => {
            let video = streaming.video(&LookUp::Id(id)).await?;
            session.require_owner(video.owner_id).map_err(|_| Error::not_found())?;
            let mut response = StatusCode::OK.into_response();
            let size = HeaderValue::from(video.size);
            response.headers_mut().insert(UPLOAD_OFFSET, size.clone());
            response.headers_mut().insert(UPLOAD_LENGTH, size);
            response
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Send a part of an upload
///
/// When all of it is there, it becomes a video with the upload's id, `GET /api/videos/{id}`.
#[utoipa::path(
    patch, path = "/api/uploads/{id}", tag = "videos", operation_id = "appendToUpload",
    params(
        PathId<VideoId>,
        TusResumable,
        ("Upload-Offset" = u64, Header, description = "Where the part begins, which is where the upload ends"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, and the part's digest in base64"),
    ),
    security(("session" = [])),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream", description = "The part"),
    extensions(("x-raw-body" = json!(true))),
    responses(
        (status = 204, description = "`Upload-Offset` says where it ends now"),
        (status = 400, description = "Upload-Offset must be a number of bytes | Upload-Checksum must be sha1 or sha256 and \
            base64 | The body broke off"),
        (status = 409, description = "The upload ends at 1024"),
        (status = 410, description = "It was refused"),
        (status = 412, description = "This is tus 1.0.0: say so in Tus-Resumable"),
        (status = 413, description = "It must be at most 1024 bytes"),
        (status = 415, description = "Content-Type must be application/offset+octet-stream | This is no video that can be \
            played here: send MP4, WebM, MOV, MKV or Ogg"),
        (status = 429, description = "You send too many videos at once: wait until one of them is through"),
        (status = 460, description = "The bytes do not have this digest"),
        (status = 507, description = "There is no room left for it"),
    ),
)]
async fn append(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
    _: TusResumable,
    headers: HeaderMap,
    _: Unhurried,
    body: Body,
) -> web::Result<Response> {
    streaming.patch(&session, id, &headers, body).await
}

/// Give an upload up
#[utoipa::path(
    delete, path = "/api/uploads/{id}", tag = "videos", operation_id = "deleteUpload",
    params(PathId<VideoId>, TusResumable),
    security(("session" = [])),
    responses(
        (status = 204, description = "What was sent of it is gone"),
        (status = 412, description = "This is tus 1.0.0: say so in Tus-Resumable"),
    ),
)]
async fn terminate(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
    _: TusResumable,
) -> web::Result<Response> {
    streaming.terminate(session.user, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Send a part of an upload, or give it up, by POST
///
/// For clients that can send no PATCH or DELETE: `X-HTTP-Method-Override` says which is meant.
#[utoipa::path(
    post, path = "/api/uploads/{id}", tag = "videos", operation_id = "overrideUpload",
    params(
        PathId<VideoId>,
        TusResumable,
        ("X-HTTP-Method-Override" = String, Header, description = "`PATCH` or `DELETE`", pattern = "^(PATCH|DELETE)$"),
    ),
    security(("session" = [])),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream", description = "The part"),
    extensions(("x-raw-body" = json!(true))),
    responses(
        (status = 204, description = "As the method that is meant"),
        (status = 400, description = "X-HTTP-Method-Override must be PATCH or DELETE"),
        (status = 409, description = "The upload ends at 1024"),
        (status = 410, description = "It was refused"),
        (status = 412, description = "This is tus 1.0.0: say so in Tus-Resumable"),
        (status = 415, description = "Content-Type must be application/offset+octet-stream"),
        (status = 429, description = "You send too many videos at once: wait until one of them is through"),
        (status = 460, description = "The bytes do not have this digest"),
        (status = 507, description = "There is no room left for it"),
    ),
)]
async fn overridden(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
    _: TusResumable,
    headers: HeaderMap,
    _: Unhurried,
    body: Body,
) -> web::Result<Response> {
    match headers.get(OVERRIDE).map(HeaderValue::as_bytes) {
        Some(b"PATCH") => streaming.patch(&session, id, &headers, body).await,
        Some(b"DELETE") => {
            streaming.terminate(session.user, id).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Error::invalid("X-HTTP-Method-Override must be PATCH or DELETE"))?,
    }
}

impl Streaming {
    /// Somebody's own upload; `None` if it has become a video, or there never was one.
    async fn upload_of(&self, session: &Session, id: VideoId) -> Result<Option<Upload>> {
        let upload = uploads::find(&self.0.db, id).await?;
        let is_resumable = |upload: &Upload| upload.kind == uploads::Kind::Resumable;
        let Some(upload) = upload.filter(is_resumable) else { return Ok(None) };
        if upload.owner_id != session.user {
            return Err(Error::not_found());
        }
        match upload.refused {
            Some(why) => Err(Error::new(Kind::Gone, why)),
            None => Ok(Some(upload)),
        }
    }

    async fn patch(
        &self,
        session: &Session,
        id: VideoId,
        headers: &HeaderMap,
        body: Body,
    ) -> web::Result<Response> {
        offset_type(headers)?;
        let offset = number(headers, &UPLOAD_OFFSET)?;
        checksum(headers)?;
        let Some(upload) = self.upload_of(session, id).await? else {
            let video = self.video(&LookUp::Id(id)).await?;
            session.require_owner(video.owner_id).map_err(|_| Error::not_found())?;
            return Err(Error::conflict(format!("The upload ends at {}", video.size)))?;
        };
        // Whoever goes on has as long again.
        let expires_at = upload.expires_at.max(self.0.web.clock().now() + self.0.settings.kept);
        let upload = Upload { expires_at, ..upload };
        let Appended { offset, came } = self.take_in(&upload, offset, body, headers, None).await?;
        match came {
            Came::Spoilt => Ok(spoilt()),
            Came::Broken if offset < upload.length.unsigned_abs() => {
                Err(Error::invalid("The body broke off"))?
            }
            Came::Whole | Came::Broken => Ok(moved(StatusCode::NO_CONTENT, &upload, offset)),
        }
    }

    /// Appends what comes, and finishes the upload if that is the end. Whoever would give it up, `unless_kept`, does so if
    /// anything but the connection fails.
    async fn take_in(
        &self,
        upload: &Upload,
        offset: u64,
        body: Body,
        headers: &HeaderMap,
        unless_kept: Option<Abandon>,
    ) -> Result<Appended> {
        let most = upload.length.unsigned_abs();
        let digest = checksum(headers)?;
        let appended = self.append(upload, Part { offset, most, body, digest, at_hand: false }).await?;
        if appended.came == Came::Spoilt {
            return Ok(appended);
        }
        if appended.offset == most {
            self.finish(upload.clone(), None, unless_kept).await?;
        } else if let Some(given_up) = unless_kept {
            given_up.keep();
        }
        Ok(appended)
    }

    async fn finish_again(self, upload: Upload) {
        let id = upload.id;
        if let Err(error) = self.finish_if_left(&upload).await {
            tracing::warn!(upload = %id, error = ?error, "an upload that is whole could not be finished");
        }
    }
}

/// The status that tus has for it (tus, Checksum).
fn spoilt() -> Response {
    let status = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(status, "The bytes do not have this digest").into_response()
}

fn moved(status: StatusCode, upload: &Upload, offset: u64) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(upload.length));
    let seconds = u64::try_from(upload.expires_at.as_seconds()).unwrap_or(0);
    let expires = httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    if let Ok(expires) = HeaderValue::try_from(expires) {
        headers.insert(UPLOAD_EXPIRES, expires);
    }
    response
}

fn value(text: String) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|e| Error::internal("a header cannot say this").because(e))
}
