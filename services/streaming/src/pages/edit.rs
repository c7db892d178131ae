//! What an owner changes of a video: its title, who may watch it, its picture, its captions; and that it is gone.

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::Visibility;
use kernel::{Error, Kind, Result, VideoId};
use web::{Fields, Form, FormView, Page, PageSession, PathId, Session, see_other};

use super::player::{Film, Track};
use super::{again, multipart, path, view};
use crate::attachments::{self, Picture};
use crate::language::language;
use crate::model::Video;
use crate::{Streaming, store};

/// Who may watch: what a form sends, and what it says.
pub type Choice = (&'static str, &'static str);

/// In the order in which they are offered.
pub const CHOICES: [Choice; 3] = [
    ("private", "Only I can watch it"),
    ("ticket", "Whoever has a ticket that I sell"),
    ("public", "Everybody, without a ticket"),
];

#[derive(Template)]
#[template(path = "video_edit.html")]
pub struct EditPage {
    pub page: Page,
    pub film: Film,
    pub values: FormView,
    pub choices: [Choice; 3],
    pub picture: FormView,
    pub captions: FormView,
    pub tracks: Vec<Track>,
    /// What is wrong with deleting it.
    pub kept: Option<String>,
}

/// Which of the forms was sent.
enum Sent {
    Settings(FormView),
    Picture(FormView),
    Captions(FormView),
    Deletion(String),
}

pub async fn form(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Response> {
    Ok(web::html(&streaming.edit_page(&session, id).await?))
}

pub async fn save(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
    Form(fields): Form,
) -> web::Result<Response> {
    let page = streaming.edit_page(&session, id).await?;
    let typed = fields.typed();
    let saved = match read(fields) {
        Ok((title, visibility)) => {
            streaming.edit(session.user, id, Some(title), Some(visibility)).await.map_err(|error| {
                // Tickets for it were sold or are on sale, so it cannot be hidden.
                if error.kind == Kind::Conflict { error.at("visibility") } else { error }
            })
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(see_other(&path(id))),
        Err(error) => again(error, |error| page.with(Sent::Settings(FormView::failed(typed, error)))),
    }
}

/// The title and who may watch.
fn read(mut fields: Fields) -> Result<(String, Visibility)> {
    let title = fields.text("title", "Title must be 1 to 200 characters", 1..=200);
    let message = "Visibility must be public, ticket or private";
    fields.require(fields.has("visibility"), "visibility", message);
    let visibility = fields.optional_choice("visibility", message, Visibility::parse);
    fields.finish()?;
    Ok((title.unwrap_or_default(), visibility.unwrap_or(Visibility::Private)))
}

pub async fn delete(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Response> {
    let page = streaming.edit_page(&session, id).await?;
    match streaming.delete(session.user, id).await {
        Ok(()) => Ok(see_other("/videos/mine")),
        Err(error) => again(error, |error| page.with(Sent::Deletion(error.to_string()))),
    }
}

pub async fn set_poster(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
    headers: HeaderMap,
    body: Body,
) -> web::Result<Response> {
    let page = streaming.edit_page(&session, id).await?;
    let setting = async {
        let told = "A picture must be at most 5 MiB";
        let (_, file) = multipart::read(&headers, body, attachments::POSTER, told).await?;
        let file = file.ok_or_else(|| Error::invalid("Choose a picture").at("file"))?;
        let picture = Picture::read(file).map_err(|error| error.at("file"))?;
        streaming.set_poster(session.user, id, picture).await
    };
    match setting.await {
        Ok(_) => Ok(see_other(&format!("{}/edit#picture", path(id)))),
        Err(error) => {
            again(error, |error| page.with(Sent::Picture(FormView::failed(Default::default(), error))))
        }
    }
}

pub async fn drop_poster(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Response> {
    streaming.change_poster(session.user, id, None).await?;
    Ok(see_other(&format!("{}/edit#picture", path(id))))
}

pub async fn set_captions(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
    headers: HeaderMap,
    body: Body,
) -> web::Result<Response> {
    let page = streaming.edit_page(&session, id).await?;
    let mut typed = Default::default();
    let setting = async {
        let told = "Captions must be at most 2 MiB";
        let (mut fields, file) = multipart::read(&headers, body, attachments::CAPTIONS, told).await?;
        typed = fields.typed();
        let message = "The language must be a tag as en or pt-BR";
        let lang = fields.text("lang", message, 1..=35);
        let lang = lang.and_then(|lang| language(&lang).ok());
        fields.require(lang.is_some(), "lang", message);
        fields.require(file.is_some(), "file", "Choose a file");
        fields.finish()?;
        let file = file.unwrap_or_default();
        let set = streaming.set_captions(session.user, id, &lang.unwrap_or_default(), Some(file)).await;
        set.map_err(|error| match error.kind {
            Kind::UnsupportedType => error.at("file"),
            _ => error,
        })
    };
    match setting.await {
        Ok(_) => Ok(see_other(&format!("{}/edit#captions", path(id)))),
        Err(error) => again(error, |error| page.with(Sent::Captions(FormView::failed(typed, error)))),
    }
}

pub async fn drop_captions(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
    Form(mut fields): Form,
) -> web::Result<Response> {
    let lang = fields.text("lang", "The language must be a tag as en or pt-BR", 1..=35);
    fields.finish()?;
    let lang = lang.unwrap_or_default().to_ascii_lowercase();
    match streaming.set_captions(session.user, id, &lang, None).await {
        // There are none, which is what was wanted; if the video is there, its page says so.
        Err(error) if error.kind == Kind::NotFound => {}
        dropped => drop(dropped?),
    }
    Ok(see_other(&format!("{}/edit#captions", path(id))))
}

impl EditPage {
    fn new(page: Page, video: &Video, tracks: Vec<Track>) -> Self {
        Self {
            page,
            film: Film::new(video, Some(video.owner_id), false),
            values: FormView::default()
                .with("title", video.title.clone())
                .with("visibility", video.visibility.as_str()),
            choices: CHOICES,
            picture: FormView::default(),
            captions: FormView::default(),
            tracks,
            kept: None,
        }
    }

    /// The page after one of its forms was not right.
    fn with(self, sent: Sent) -> Self {
        match sent {
            Sent::Settings(values) => Self { values, ..self },
            Sent::Picture(picture) => Self { picture, ..self },
            Sent::Captions(captions) => Self { captions, ..self },
            Sent::Deletion(why) => Self { kept: Some(why), ..self },
        }
    }
}

impl Streaming {
    /// 404 if there is no such video, 401 if it is another's.
    async fn edit_page(&self, session: &Session, id: VideoId) -> Result<EditPage> {
        let video = self.owned(session.user, id).await?;
        let tracks = store::captions(&self.0.db, id).await?;
        let track = |(lang, _): (String, _)| Track { name: view::language(&lang), lang };
        let page = self.page(Some(session), "Edit video", &format!("{}/edit", path(id)));
        Ok(EditPage::new(page, &video, tracks.into_iter().map(track).collect()))
    }
}
