//! What there is to watch, the newest first, and what one was in the middle of.

use std::collections::HashSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use contracts::Visibility;
use futures_util::future::join_all;
use kernel::{Result, UserId, VideoId};
use web::{MaybeSession, Page, Paging, Span};

use super::view::{self, Label, Picture};
use super::{LIMIT, PER_PAGE};
use crate::Streaming;
use crate::model::{self, Video};
use crate::store::sittings::Entry;
use crate::store::{self, admissions, sittings};

/// So many videos are offered to go on with.
const GOING_ON: usize = 4;
/// Of so many that were watched last.
const LOOKED_AT: i64 = 12;

#[derive(Template)]
#[template(path = "videos.html")]
pub struct CataloguePage {
    pub page: Page,
    pub going_on: Vec<Going>,
    pub screens: Vec<Screen>,
    /// Whether this is not the first part.
    pub further: bool,
    /// The address of the next part.
    pub next: Option<String>,
}

/// A video in the list.
pub struct Screen {
    pub picture: Picture,
    pub label: Label,
}

/// A video that somebody was in the middle of.
pub struct Going {
    pub picture: Picture,
    /// Where they are: `12:03 of 1:30:00`.
    pub at: String,
    /// In hundredths of the whole, if its length is known.
    pub percent: Option<i64>,
}

impl Going {
    pub fn new(video: &Video, entry: &Entry) -> Option<Self> {
        let position = view::goes_on(entry.position, video.duration)?;
        let at = match video.duration {
            Some(duration) => format!("{} of {}", model::clock(position), model::clock(duration)),
            None => model::clock(position),
        };
        let percent = video.duration.map(|duration| view::percent(position, duration));
        Some(Self { picture: Picture::of(video), at, percent })
    }
}

pub async fn show(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    paging: web::Result<Paging>,
) -> web::Result<Response> {
    let Span { after, .. } = paging?.span()?;
    let viewer = session.as_ref().map(|session| session.user);
    let mut videos =
        store::shown(&streaming.0.db, viewer, &Span { after, limit: LIMIT, descending: true }).await?;
    let more = videos.len() > PER_PAGE;
    videos.truncate(PER_PAGE);
    let needs_tickets = videos.iter().any(|video| video.visibility == Visibility::Ticket);
    let held: HashSet<VideoId> = match viewer {
        Some(user) if needs_tickets => admissions::held(&streaming.0.db, user).await?.into_iter().collect(),
        _ => HashSet::new(),
    };
    let going_on = match viewer {
        Some(user) if after.is_none() => streaming.going_on(user).await?,
        _ => Vec::new(),
    };
    let screen = |video: &Video| Screen {
        picture: Picture::of(video),
        label: view::label(video, viewer, held.contains(&video.id)),
    };
    Ok(web::html(&CataloguePage {
        page: streaming.page(session.as_ref(), "Videos", "/videos"),
        going_on,
        screens: videos.iter().map(screen).collect(),
        further: after.is_some(),
        next: videos.last().filter(|_| more).map(|last| format!("/videos?after={}", last.id)),
    }))
}

impl Streaming {
    /// What somebody was in the middle of, as far as they may still see that it is there.
    async fn going_on(&self, user: UserId) -> Result<Vec<Going>> {
        let entries = sittings::recent(&self.0.db, user, None, LOOKED_AT).await?;
        let videos = join_all(entries.iter().map(|entry| self.shown_to(Some(user), entry.video_id))).await;
        let going = entries.iter().zip(videos).filter_map(|(entry, video)| Going::new(&*video.ok()?, entry));
        Ok(going.take(GOING_ON).collect())
    }
}
