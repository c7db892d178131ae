//! What somebody watched, when, and how far.

use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Error, Instant, Result, UserId, VideoId};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, Paging, PathId, Routes, Session, routes};

use crate::Streaming;
use crate::known::LookUp;
use crate::store::sittings::{self, Entry, Seat};

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new().api(routes!(list)).api(routes!(tell, forget))
}

/// What was watched.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    /// The video.
    video_id: VideoId,
    /// Its title.
    title: String,
    /// When it was last watched.
    watched_at: Instant,
    /// Where to go on, in seconds from its begin.
    position: f64,
    /// How much of it was really played, in seconds.
    seconds: f64,
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        Self {
            video_id: entry.video_id,
            title: entry.title.clone(),
            watched_at: entry.watched_at,
            position: entry.position as f64 / 1000.0,
            seconds: entry.played as f64 / 1000.0,
        }
    }
}

/// List what one watched
///
/// One entry a video, in the order in which they were first watched.
#[utoipa::path(
    get, path = "/api/history", tag = "videos", operation_id = "listHistory",
    params(Paging), security(("session" = [])),
    responses((status = 200, description = "The entries", body = Vec<EntryView>)),
)]
async fn list(
    State(streaming): State<Streaming>,
    session: Session,
    paging: web::Result<Paging>,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let paging = paging?;
    let entries = sittings::history(&streaming.0.db, session.user, &paging.span()?).await?;
    let entries = entries.ok_or_else(Error::not_found)?;
    let views: Vec<EntryView> = entries.iter().map(EntryView::from).collect();
    Ok(web::list(&uri, &paging, &views, entries.last().map(|entry| entry.video_id.to_string())))
}

/// What the call takes, as the API's reference says it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "position": 61 }))]
#[allow(dead_code)]
struct PositionBody {
    /// Where the player is, in seconds from the begin.
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: i64,
}

/// No film is longer, in seconds.
const FAR: i64 = 1_000_000;

/// Say where one is in a video
///
/// For players: what is delivered runs ahead of what is seen. Only for what was watched already.
#[utoipa::path(
    put, path = "/api/history/{id}", tag = "videos", operation_id = "tellPosition",
    params(PathId<VideoId>), security(("session" = [])), request_body = PositionBody,
    responses(
        (status = 204, description = "It is noted"),
        (status = 400, description = "position: Position must be a whole number of seconds"),
    ),
)]
async fn tell(
    State(streaming): State<Streaming>,
    session: Session,
    id: web::Result<PathId<VideoId>>,
    Json(mut fields): Json,
) -> web::Result<StatusCode> {
    let position = fields.integer("position", "Position must be a whole number of seconds", 0..=FAR);
    fields.finish()?;
    let PathId(id) = id?;
    streaming.tell(&session, id, position.unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget that one watched a video
#[utoipa::path(
    delete, path = "/api/history/{id}", tag = "videos", operation_id = "forgetVideo",
    params(PathId<VideoId>), security(("session" = [])),
    responses((status = 204, description = "It is in no history any more")),
)]
async fn forget(
    State(streaming): State<Streaming>,
    session: Session,
    PathId(id): PathId<VideoId>,
) -> web::Result<StatusCode> {
    streaming.forget(session.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn own(user: UserId, video: VideoId) -> Seat {
    Seat { viewer: user.to_string(), video, user: Some(user) }
}

impl Streaming {
    /// Somebody has not watched a video any more.
    ///
    /// # Errors
    /// 404 if they never did.
    pub(crate) async fn forget(&self, user: UserId, id: VideoId) -> Result<()> {
        if !sittings::forget_one(&self.0.db, user, id).await? {
            return Err(Error::not_found());
        }
        self.0.seats.forget(&own(user, id));
        Ok(())
    }

    /// Notes where a player is, in seconds.
    async fn tell(&self, session: &Session, id: VideoId, position: i64) -> Result<()> {
        let video = self.video(&LookUp::Id(id)).await?;
        let position = (position * 1000).min(video.duration.unwrap_or(i64::MAX));
        let seat = &own(session.user, id);
        let told = self.0.db.write(|tx| async move { sittings::told(&tx, seat, position).await }).await?;
        if told { Ok(()) } else { Err(Error::not_found()) }
    }
}
