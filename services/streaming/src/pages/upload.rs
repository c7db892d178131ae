//! Uploading: a form that sends a film in one go, which a script makes one that goes on where it was.

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use contracts::Visibility;
use kernel::{Error, Kind, Result, VideoId};
use objects::{Came, Part};
use web::{FormView, Moment, Page, PageSession, PathId, Script, Session, Unhurried, see_other};

use super::edit::{CHOICES, Choice};
use super::multipart::{Coming, File};
use super::{again, path, view};
use crate::model::Video;
use crate::store::uploads::{self, Upload};
use crate::uploads::Wish;
use crate::{Streaming, bytes};

#[derive(Template)]
#[template(path = "upload.html")]
pub struct UploadPage {
    pub page: Page,
    pub script: &'static str,
    pub values: FormView,
    pub choices: [Choice; 3],
    /// The longest video.
    pub limit: String,
    pub rows: Vec<Row>,
}

/// An upload that was begun.
pub struct Row {
    pub id: VideoId,
    pub name: String,
    /// In bytes.
    pub length: i64,
    /// `1.5 MiB of 2 GiB`.
    pub told: String,
    pub percent: i64,
    pub kept: Moment,
    /// Why it did not become a video.
    pub refused: Option<String>,
}

impl Row {
    pub fn new((upload, here): (Upload, u64)) -> Self {
        let length = upload.length.unsigned_abs();
        let percent = view::percent(i64::try_from(here).unwrap_or(i64::MAX), upload.length);
        Self {
            id: upload.id,
            name: upload.name,
            length: upload.length,
            told: format!("{} of {}", bytes::told(here), bytes::told(length)),
            percent,
            kept: Moment::from(upload.expires_at),
            refused: upload.refused,
        }
    }
}

pub async fn form(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
) -> web::Result<Response> {
    let under_way = streaming.under_way(session.user).await?;
    Ok(web::html(&streaming.upload_page(&session, FormView::default(), under_way)))
}

pub async fn send(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    _: Unhurried,
    headers: HeaderMap,
    body: Body,
) -> web::Result<Response> {
    let mut coming = Coming::new(&headers, body)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match streaming.receive(&session, &mut coming, length).await {
        Ok(video) => Ok(see_other(&path(video.id))),
        Err(error) => {
            let under_way = streaming.under_way(session.user).await?;
            let typed = coming.texts().typed();
            again(error, |error| streaming.upload_page(&session, FormView::failed(typed, error), under_way))
        }
    }
}

pub async fn cancel(
    State(streaming): State<Streaming>,
    PageSession(session): PageSession,
    PathId(id): PathId<VideoId>,
) -> web::Result<Response> {
    match streaming.terminate(session.user, id).await {
        // It is over, which is what was wanted.
        Err(error) if error.kind == Kind::NotFound => {}
        cancelled => cancelled?,
    }
    Ok(see_other("/videos/new"))
}

impl Streaming {
    fn upload_page(&self, session: &Session, values: FormView, under_way: Vec<(Upload, u64)>) -> UploadPage {
        UploadPage {
            page: self.page(Some(session), "Upload a video", "/videos/new"),
            script: Script::Upload.address(),
            values,
            choices: CHOICES,
            limit: bytes::told(self.0.settings.limit),
            rows: under_way.into_iter().map(Row::new).collect(),
        }
    }

    /// Makes a video of a form. `length` is how long the form is, which its file cannot be longer than.
    async fn receive(&self, session: &Session, form: &mut Coming, length: Option<u64>) -> Result<Video> {
        let chosen = form.file("file").await?;
        let mut fields = form.texts();
        let title = fields.optional_text("title", "Title must be 1 to 200 characters", 1..=200);
        let message = "Visibility must be public, ticket or private";
        let visibility = fields.optional_choice("visibility", message, Visibility::parse);
        fields.require(chosen.is_some(), "file", "Choose a file");
        fields.finish()?;
        let Some(File { name, body }) = chosen else { return Err(Error::invalid("Choose a file")) };
        let visibility = visibility.unwrap_or(Visibility::Private);
        let at_file = |error: Error| error.at("file");
        let wish = Wish { name, title, visibility, length, metadata: None };
        let upload = self.begin(session.user, wish, uploads::Kind::Once).await.map_err(at_file)?;
        let given_up = self.unless_kept(upload.clone());
        let most = upload.length.unsigned_abs().min(self.0.settings.limit);
        let part = Part { offset: 0, most, body, digest: None, at_hand: false };
        if self.append(&upload, part).await.map_err(at_file)?.came != Came::Whole {
            return Err(Error::invalid("The file broke off").at("file"));
        }
        self.finish(upload, None, Some(given_up)).await.map_err(at_file)
    }
}
