//! One's own videos, the newest first, and how much room there is for more.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use contracts::Visibility;
use web::{Moment, Page, PageSession, Paging, Span};

use super::view::{self, Label, Picture};
use super::{LIMIT, PER_PAGE};
use crate::model::Video;
use crate::store::{self, uploads};
use crate::{Streaming, bytes};

#[derive(Template)]
#[template(path = "my_videos.html")]
pub struct MinePage {
    pub page: Page,
    pub rows: Vec<Row>,
    pub quota: Quota,
    /// How many uploads wait to be gone on with.
    pub under_way: usize,
    /// Uploads that were no videos.
    pub refused: usize,
    /// Whether this is not the first part.
    pub further: bool,
    /// The address of the next part.
    pub next: Option<String>,
}

/// A video of one's own.
pub struct Row {
    pub picture: Picture,
    pub label: Label,
    pub size: String,
    pub added: Moment,
    /// Whether tickets can be sold for it.
    pub is_for_tickets: bool,
}

impl Row {
    pub fn new(video: &Video) -> Self {
        Self {
            picture: Picture::of(video),
            label: view::label(video, Some(video.owner_id), false),
            size: view::size(video),
            added: Moment::from(video.created_at),
            is_for_tickets: video.visibility == Visibility::Ticket,
        }
    }
}

/// How much of what one may keep is in use.
pub struct Quota {
    pub used: String,
    pub of: String,
    pub percent: i64,
}

impl Quota {
    pub fn new(used: i64, quota: u64) -> Self {
        let of = i64::try_from(quota).unwrap_or(i64::MAX);
        let percent = i64::try_from(i128::from(used.max(0)) * 100 / i128::from(of.max(1))).unwrap_or(100);
        Self {
            used: bytes::told(used.max(0).unsigned_abs()),
            of: bytes::told(quota),
            percent: percent.min(100),
        }
    }
}

pub async fn list(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    paging: web::Result<Paging>,
) -> web::Result<Response> {
    let Span { after, .. } = paging?.span()?;
    let (db, user) = (&streaming.0.db, session.user);
    let mut videos = store::of_owner(db, user, &Span { after, limit: LIMIT, descending: true }).await?;
    let more = videos.len() > PER_PAGE;
    videos.truncate(PER_PAGE);
    let uploads = uploads::of_owner(db, user).await?;
    let (under_way, refused): (Vec<_>, Vec<_>) = uploads.iter().partition(|upload| upload.refused.is_none());
    Ok(web::html(&MinePage {
        page: streaming.page(Some(&session), "My videos", "/videos/mine"),
        rows: videos.iter().map(Row::new).collect(),
        quota: Quota::new(uploads::used(db, user).await?, streaming.0.settings.quota),
        under_way: under_way.len(),
        refused: refused.len(),
        further: after.is_some(),
        next: videos.last().filter(|_| more).map(|last| format!("/videos/mine?after={}", last.id)),
    }))
}
