//! What one watched, what was watched last first, and how far.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::future::join_all;
use kernel::{Error, Instant, Kind, Result, VideoId};
use serde::Deserialize;
use web::{Moment, Page, PageSession, PathId, see_other};

use super::view::{self, Picture};
use super::{LIMIT, PER_PAGE};
use crate::Streaming;
use crate::model;
use crate::store::sittings::{self, Entry};

#[derive(Template)]
#[template(path = "history.html")]
pub struct HistoryPage {
    pub page: Page,
    pub rows: Vec<Row>,
    /// Whether this is not the first part.
    pub further: bool,
    /// The address of the next part.
    pub next: Option<String>,
}

/// What was watched.
pub struct Row {
    pub id: VideoId,
    pub title: String,
    /// Nothing of one that they may not see any more.
    pub picture: Option<Picture>,
    pub watched: Moment,
    /// In hundredths of the whole, if its length is known.
    pub percent: Option<i64>,
    /// Where they are.
    pub at: String,
    /// Whether there is something to go on with.
    pub goes_on: bool,
}

impl Row {
    pub fn new(entry: &Entry, picture: Option<Picture>) -> Self {
        let goes_on = view::goes_on(entry.position, entry.duration).is_some();
        let is_over = !goes_on && entry.duration.is_some_and(|duration| entry.position > duration / 2);
        let at = match entry.duration {
            Some(_) if is_over => "Watched to the end".to_owned(),
            Some(duration) => format!("{} of {}", model::clock(entry.position), model::clock(duration)),
            None => model::clock(entry.position),
        };
        let percent = entry.duration.map(|duration| view::percent(entry.position, duration));
        Self {
            id: entry.video_id,
            title: entry.title.clone(),
            picture,
            watched: Moment::from(entry.watched_at),
            percent: if is_over { Some(100) } else { percent },
            at,
            goes_on,
        }
    }
}

/// After which entry the list goes on.
#[derive(Deserialize)]
pub struct Asked {
    after: Option<String>,
}

/// Reads what [`place`] wrote.
fn after(text: &str) -> Result<(Instant, VideoId)> {
    let (watched, id) = text.split_once('.').ok_or_else(Error::not_found)?;
    let watched = watched.parse().map_err(|_| Error::not_found())?;
    Ok((Instant::from_millis(watched), id.parse().map_err(|_| Error::not_found())?))
}

fn place(entry: &Entry) -> String {
    format!("{}.{}", entry.watched_at.as_millis(), entry.video_id)
}

pub async fn list(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    asked: std::result::Result<Query<Asked>, QueryRejection>,
) -> web::Result<Response> {
    let Query(asked) = asked.map_err(|_| Error::invalid("A parameter must be there once and be text"))?;
    let after = asked.after.as_deref().map(after).transpose()?;
    let mut entries = sittings::recent(&streaming.0.db, session.user, after, LIMIT).await?;
    let more = entries.len() > PER_PAGE;
    entries.truncate(PER_PAGE);
    let shown = entries.iter().map(|entry| streaming.shown_to(Some(session.user), entry.video_id));
    let pictures = join_all(shown).await.into_iter().map(|video| Some(Picture::of(&*video.ok()?)));
    Ok(web::html(&HistoryPage {
        page: streaming.page(Some(&session), "History", "/history"),
        rows: entries.iter().zip(pictures).map(|(entry, picture)| Row::new(entry, picture)).collect(),
        further: after.is_some(),
        next: entries.last().filter(|_| more).map(|last| format!("/history?after={}", place(last))),
    }))
}

pub async fn remove(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Response> {
    match streaming.forget(session.user, id).await {
        // It is in no history, which is what was wanted.
        Err(error) if error.kind == Kind::NotFound => {}
        forgotten => forgotten?,
    }
    Ok(see_other("/history"))
}
