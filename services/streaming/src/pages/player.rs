//! One video: its player for who is admitted, and for who is not, why, and what admits.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use contracts::Visibility;
use kernel::{Kind, Result, TicketId, UserId, VideoId};
use serde::{Deserialize, Serialize};
use web::{Answer, Form, MaybeSession, Moment, Origin, Page, PathId, Script};

use super::path;
use super::view::{self, Label, Picture};
use crate::admission::{Admission, Barred};
use crate::model::{self, Video};
use crate::store::admissions::{self, Offer};
use crate::store::sittings::{self, Seat};
use crate::{Streaming, events, known, links, store};

/// A title with more characters than this is set smaller.
const SHORT_TITLE: usize = 40;

/// A video and its player.
#[derive(Template)]
#[template(path = "video.html")]
pub struct PlayerPage {
    pub page: Page,
    pub script: &'static str,
    pub film: Film,
    pub tracks: Vec<Track>,
    /// Where it goes on, if it does not begin: `12:03`.
    pub resumed: Option<String>,
    /// What follows its address: from where it is played.
    pub fragment: String,
}

/// Captions in one language.
pub struct Track {
    pub lang: String,
    pub name: String,
}

/// What is said of a video.
pub struct Film {
    pub id: VideoId,
    pub title: String,
    pub is_title_long: bool,
    pub picture: Picture,
    pub label: Label,
    pub size: String,
    pub added: Moment,
    /// Whether it is the reader's.
    pub own: bool,
    /// Whether tickets can be sold for it.
    pub is_for_tickets: bool,
}

impl Film {
    pub fn new(video: &Video, viewer: Option<UserId>, has_ticket: bool) -> Self {
        Self {
            id: video.id,
            title: video.title.clone(),
            is_title_long: video.title.chars().count() > SHORT_TITLE,
            picture: Picture::of(video),
            label: view::label(video, viewer, has_ticket),
            size: view::size(video),
            added: Moment::from(video.created_at),
            own: viewer == Some(video.owner_id),
            is_for_tickets: video.visibility == Visibility::Ticket,
        }
    }
}

/// A video for who is not admitted to it.
#[derive(Template)]
#[template(path = "barred.html")]
pub struct BarredPage {
    pub page: Page,
    pub film: Film,
    pub why: &'static str,
    /// When it begins for them.
    pub opens: Option<Moment>,
    /// Whether signing in may change it.
    pub is_stranger: bool,
    pub offers: Vec<OfferView>,
}

/// A ticket that admits.
pub struct OfferView {
    pub id: TicketId,
    pub title: String,
    pub opens: Option<Moment>,
    pub closes: Option<Moment>,
}

impl From<Offer> for OfferView {
    fn from(Offer { id, title, opens_at, closes_at }: Offer) -> Self {
        Self { id, title, opens: opens_at.map(Moment::from), closes: closes_at.map(Moment::from) }
    }
}

impl BarredPage {
    pub fn new(page: Page, film: Film, barred: Barred, offers: Vec<Offer>) -> Self {
        let opens = match barred {
            Barred::Early(at) => Some(Moment::from(at)),
            _ => None,
        };
        let is_stranger = barred == Barred::Stranger;
        Self {
            page,
            film,
            why: told(barred),
            opens,
            is_stranger,
            offers: offers.into_iter().map(OfferView::from).collect(),
        }
    }
}

/// Why somebody is not admitted, in a sentence.
fn told(barred: Barred) -> &'static str {
    match barred {
        Barred::Stranger => "It takes a ticket to watch this",
        Barred::Ticketless => "You have no ticket for this",
        Barred::Early(_) => "It has not begun yet",
        Barred::Late => "What your ticket admitted to is over",
    }
}

/// What of the address says how it is shown.
#[derive(Deserialize, Default)]
pub struct Wanted {
    /// `start`: not from where one was.
    #[serde(default)]
    from: String,
}

pub async fn show(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
    wanted: std::result::Result<Query<Wanted>, QueryRejection>,
) -> web::Result<Response> {
    let Query(wanted) = wanted.unwrap_or_default();
    let viewer = session.as_ref().map(|session| session.user);
    let video = streaming.shown_to(viewer, id).await?;
    let page = streaming.page(session.as_ref(), &video.title, &path(id));
    let admission = match streaming.admit(&video, viewer).await {
        Err(error) if error.kind == Kind::Unauthorized => {
            let barred = streaming.barred(&video, viewer).await?;
            let offers = admissions::offers(&streaming.0.db, id, video.owner_id).await?;
            let has_ticket = matches!(barred, Barred::Early(_));
            let film = Film::new(&video, viewer, has_ticket);
            return Ok(web::html(&BarredPage::new(page, film, barred, offers)));
        }
        admission => admission?,
    };
    let film = Film::new(&video, viewer, matches!(admission, Admission::Order(_)));
    let position = match viewer.filter(|_| wanted.from != "start") {
        Some(user) => streaming.position(user, &video).await?,
        None => None,
    };
    let tracks = store::captions(&streaming.0.db, id).await?;
    let track = |(lang, _): (String, _)| Track { name: view::language(&lang), lang };
    Ok(web::html(&PlayerPage {
        page,
        script: Script::Player.address(),
        film,
        tracks: tracks.into_iter().map(track).collect(),
        resumed: position.map(model::clock),
        fragment: position.map_or_else(String::new, |millis| format!("#t={}", millis / 1000)),
    }))
}

/// Whether somebody is admitted, for a player that is open.
#[derive(Serialize)]
struct Live {
    status: &'static str,
    reason: &'static str,
}

pub async fn now(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Answer> {
    let viewer = session.map(|session| session.user);
    streaming.shown_to(viewer, id).await?;
    Ok(Answer::ok(&streaming.live(id, viewer).await?))
}

pub async fn live(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Response> {
    let viewer = session.map(|session| session.user);
    streaming.shown_to(viewer, id).await?;
    let web = streaming.0.web.clone();
    // A change of the video itself is seen at the next heartbeat by who is signed in; one of their orders at once.
    let topic = viewer.map_or_else(|| known::topic(id), events::seat);
    Ok(web::live(&web, topic, move || {
        let streaming = streaming.clone();
        async move { streaming.live(id, viewer).await }
    }))
}

/// A link for a player that keeps no cookies.
#[derive(Template)]
#[template(path = "video_link.html")]
pub struct LinkPage {
    pub page: Page,
    pub id: VideoId,
    pub title: String,
    pub address: String,
    pub ends: Moment,
}

pub async fn link(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<VideoId>,
    Origin(origin): Origin,
    Form(mut fields): Form,
) -> web::Result<Response> {
    let message = "Choose how long the link lasts";
    let lasts = fields.integer("expiresIn", message, 1..=links::LONGEST);
    fields.finish()?;
    let viewer = session.as_ref().map(|session| session.user);
    let link = streaming.link(viewer, id, lasts.unwrap_or_default()).await?;
    let video = streaming.shown_to(viewer, id).await?;
    Ok(web::html(&LinkPage {
        page: streaming.page(session.as_ref(), "A link for a player", &path(id)),
        id,
        title: video.title.clone(),
        address: format!("{origin}{}", link.path),
        ends: Moment::from(link.expires_at),
    }))
}

impl Streaming {
    /// Where somebody goes on with a video, in milliseconds, if it is not at its begin.
    async fn position(&self, user: UserId, video: &Video) -> Result<Option<i64>> {
        let seat = Seat { viewer: user.to_string(), video: video.id, user: Some(user) };
        let position = sittings::position(&self.0.db, &seat).await?;
        Ok(position.and_then(|position| view::goes_on(position, video.duration)))
    }

    async fn live(&self, id: VideoId, viewer: Option<UserId>) -> Result<Live> {
        let refused = |reason| Ok(Live { status: "refused", reason });
        let video = match self.shown_to(viewer, id).await {
            Err(error) if error.kind == Kind::NotFound => return refused("This video is not here any more"),
            video => video?,
        };
        match self.admit(&video, viewer).await {
            Ok(_) => Ok(Live { status: "admitted", reason: "" }),
            Err(error) if error.kind == Kind::Unauthorized => {
                refused(match self.barred(&video, viewer).await? {
                    Barred::Ticketless => "Your ticket does not admit to this any more",
                    barred => told(barred),
                })
            }
            Err(error) => Err(error),
        }
    }
}
