//! The catalogue's JSON calls (contract, Videos).

use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use contracts::Visibility;
use db::Tx;
use kernel::{Error, Instant, Result, UserId, VideoId};
use serde::Serialize;
use utoipa::ToSchema;
use web::{IfNoneMatch, Json, MaybeSession, Paging, PathId, Routes, Session, Tagged, routes};

use crate::Streaming;
use crate::attachments::own;
use crate::known::{Known, LookUp};
use crate::model::Video;
use crate::store::{self, admissions};

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new().api(routes!(list)).api(routes!(show, edit, delete))
}

/// A video on the wire.
#[derive(Serialize, ToSchema)]
#[schema(as = Video, description = "What can be watched", example = json!({
    "id": "01a1fca4-b8e7-7056-8f19-2e9d7c4a60b1", "title": "Metropolis", "path": "metropolis.mp4",
    "ownerId": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27", "visibility": "ticket", "size": 734003200,
    "contentType": "video/mp4", "duration": 9180.5, "createdAt": "2026-11-21T18:00:00.000Z",
}))]
#[serde(rename_all = "camelCase")]
pub(crate) struct VideoView {
    id: VideoId,
    title: String,
    /// What `/video?path=` takes.
    path: String,
    /// Who uploaded it.
    owner_id: UserId,
    visibility: Visibility,
    /// In bytes.
    #[schema(minimum = 0)]
    size: i64,
    /// As its bytes say.
    content_type: String,
    /// In seconds, if its container says so.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    /// Where its poster is, if it has one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    poster: Option<String>,
    /// The languages of its captions; lists of videos leave them out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    captions: Vec<String>,
    created_at: Instant,
}

impl From<&Video> for VideoView {
    fn from(video: &Video) -> Self {
        Self {
            id: video.id,
            title: video.title.clone(),
            path: video.path.clone(),
            owner_id: video.owner_id,
            visibility: video.visibility,
            size: video.size,
            content_type: video.content_type.clone(),
            duration: video.duration.map(|millis| millis as f64 / 1000.0),
            poster: video.poster.as_ref().map(|_| format!("/api/videos/{}/poster", video.id)),
            captions: Vec::new(),
            created_at: video.created_at,
        }
    }
}

/// The JSON of a video, as stored under an idempotency key.
pub(crate) fn body(video: &Video) -> Result<String> {
    serde_json::to_string(&VideoView::from(video))
        .map_err(|e| Error::internal("a video has no JSON").because(e))
}

/// List videos
///
/// Those that one may see: public ones, those that a ticket admits to, and one's own.
#[utoipa::path(
    get, path = "/api/videos", tag = "videos", operation_id = "listVideos",
    params(Paging), security((), ("session" = [])),
    responses((status = 200, description = "The videos, in order of creation", body = Vec<VideoView>)),
)]
async fn list(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    paging: web::Result<Paging>,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let paging = paging?;
    let viewer = session.map(|session| session.user);
    let videos = store::shown(&streaming.0.db, viewer, &paging.span()?).await?;
    let views: Vec<VideoView> = videos.iter().map(VideoView::from).collect();
    Ok(web::list(&uri, &paging, &views, videos.last().map(|video| video.id.to_string())))
}

/// Read a video
#[utoipa::path(
    get, path = "/api/videos/{id}", tag = "videos", operation_id = "getVideo",
    params(PathId<VideoId>), security((), ("session" = [])),
    responses(
        (status = 200, description = "The video", body = VideoView),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
    ),
)]
async fn show(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
    known: IfNoneMatch,
) -> web::Result<Response> {
    let video = streaming.shown_to(session.map(|session| session.user), id).await?;
    let control = if video.visibility == Visibility::Public { web::PUBLIC } else { web::PRIVATE };
    Ok(Tagged::json(&streaming.view(&video).await?)?.answer(&known, control))
}

/// What the call takes, as the API's reference says it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "visibility": "public" }))]
#[allow(dead_code)]
struct VideoBody {
    /// White space around it is dropped.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    title: Option<String>,
    /// Who may watch it.
    visibility: Option<Visibility>,
}

/// Change one's own video
///
/// Members that are left out keep their value.
#[utoipa::path(
    patch, path = "/api/videos/{id}", tag = "videos", operation_id = "editVideo",
    params(PathId<VideoId>), security(("session" = [])), request_body = VideoBody,
    responses(
        (status = 200, description = "The video", body = VideoView),
        (status = 400, description = "title: Title must be 1 to 200 characters | visibility: Visibility must be public, \
            ticket or private"),
        (status = 409, description = "Tickets were sold for it | Tickets for it are on sale: withdraw them first"),
    ),
)]
async fn edit(
    State(streaming): State<Streaming>,
    session: Session,
    id: web::Result<PathId<VideoId>>,
    Json(mut fields): Json,
) -> web::Result<Response> {
    let has_title = fields.has("title");
    let title = fields.optional_text("title", "Title must be 1 to 200 characters", 1..=200);
    fields.require(!has_title || title.is_some(), "title", "Title must be 1 to 200 characters");
    let visibility = fields.optional_choice(
        "visibility",
        "Visibility must be public, ticket or private",
        Visibility::parse,
    );
    fields.finish()?;
    let PathId(id) = id?;
    let video = streaming.edit(session.user, id, title, visibility).await?;
    Ok(axum::Json(streaming.view(&video).await?).into_response())
}

/// Delete one's own video
#[utoipa::path(
    delete, path = "/api/videos/{id}", tag = "videos", operation_id = "deleteVideo",
    params(PathId<VideoId>), security(("session" = [])),
    responses(
        (status = 204, description = "It is gone, with its poster and captions"),
        (status = 409, description = "Tickets were sold for it | Tickets for it are on sale: withdraw them first"),
    ),
)]
async fn delete(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
) -> web::Result<StatusCode> {
    streaming.delete(session.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What others have paid for stays, and what they could pay for.
///
/// # Errors
/// 409.
async fn let_go(tx: &Tx, video: &Video) -> Result<()> {
    if admissions::is_sold(tx, video.id, video.owner_id).await? {
        return Err(Error::conflict("Tickets were sold for it"));
    }
    if admissions::is_on_sale(tx, video.id, video.owner_id).await? {
        return Err(Error::conflict("Tickets for it are on sale: withdraw them first"));
    }
    Ok(())
}

impl Streaming {
    /// A video, if `viewer` may see that it is there.
    ///
    /// # Errors
    /// 404.
    pub(crate) async fn shown_to(&self, viewer: Option<UserId>, id: VideoId) -> Result<Known> {
        let video = self.video(&LookUp::Id(id)).await?;
        if video.visibility == Visibility::Private && viewer != Some(video.owner_id) {
            return Err(Error::not_found());
        }
        Ok(video)
    }

    /// A video with its captions.
    pub(crate) async fn view(&self, video: &Video) -> Result<VideoView> {
        let captions = store::captions(&self.0.db, video.id).await?;
        let captions = captions.into_iter().map(|(lang, _)| lang).collect();
        Ok(VideoView { captions, ..VideoView::from(video) })
    }

    /// Changes one's own video; what is `None` stays.
    ///
    /// # Errors
    /// 404; 401 for another's; 409 if those could not watch any more who have tickets, or can buy one.
    pub async fn edit(
        &self,
        user: UserId,
        id: VideoId,
        title: Option<String>,
        visibility: Option<Visibility>,
    ) -> Result<Video> {
        let title = &title;
        let changed = self.0.db.write(|tx| async move {
            let video = store::find(&tx, id).await?;
            own(&video, user)?;
            let next = Video {
                title: title.clone().unwrap_or_else(|| video.title.clone()),
                visibility: visibility.unwrap_or(video.visibility),
                ..video.next()
            };
            if (&next.title, next.visibility) == (&video.title, video.visibility) {
                return Ok(video);
            }
            let hides = next.visibility == Visibility::Private && video.visibility != Visibility::Private;
            if hides {
                let_go(&tx, &video).await?;
            }
            let next = store::update(&tx, &next).await?;
            self.changed(&tx, &next, false);
            Ok(next)
        });
        changed.await
    }

    /// Deletes one's own video.
    ///
    /// # Errors
    /// 404; 401 for another's; 409 if tickets were sold for it that are not over, or are on sale.
    pub async fn delete(&self, user: UserId, id: VideoId) -> Result<()> {
        let deleted = self.0.db.write(|tx| async move {
            let video = store::find(&tx, id).await?;
            own(&video, user)?;
            let_go(&tx, &video).await?;
            let last = store::delete(&tx, &video).await?;
            self.changed(&tx, &last, true);
            Ok(())
        });
        deleted.await?;
        self.0.leaving.notify_one();
        Ok(())
    }
}
