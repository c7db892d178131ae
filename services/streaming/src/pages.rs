//! The pages of the screening room: what there is to watch, a video in its player, and what its owner does with it.

mod catalogue;
mod edit;
mod history;
mod mine;
mod multipart;
mod player;
mod upload;
mod view;

use askama::Template;
use axum::response::Response;
use axum::routing::{get, post};
use kernel::{Error, Kind, VideoId};
use web::{Page, Problem, Routes, Session};

use crate::Streaming;

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new()
        .route("/videos", get(catalogue::show))
        .route("/videos/new", get(upload::form).post(upload::send))
        .route("/videos/mine", get(mine::list))
        .route("/videos/uploads/{id}/cancel", post(upload::cancel))
        .route("/videos/{id}", get(player::show))
        .route("/videos/{id}/now", get(player::now))
        .route("/videos/{id}/live", get(player::live))
        .route("/videos/{id}/link", post(player::link))
        .route("/videos/{id}/edit", get(edit::form).post(edit::save))
        .route("/videos/{id}/delete", post(edit::delete))
        .route("/videos/{id}/poster", post(edit::set_poster))
        .route("/videos/{id}/poster/drop", post(edit::drop_poster))
        .route("/videos/{id}/captions", post(edit::set_captions))
        .route("/videos/{id}/captions/drop", post(edit::drop_captions))
        .route("/history", get(history::list))
        .route("/history/{id}/remove", post(history::remove))
}

/// How many videos a part of a list shows.
const PER_PAGE: usize = 24;
/// One more, to know whether there are more.
const LIMIT: i64 = PER_PAGE as i64 + 1;

impl Streaming {
    fn page(&self, session: Option<&Session>, title: &str, path: &str) -> Page {
        Page::new(&self.0.web, session, title, path)
    }
}

fn path(id: VideoId) -> String {
    format!("/videos/{id}")
}

/// The form again, if what is wrong can be put right there; otherwise the error itself.
fn again<T: Template>(error: Error, form: impl FnOnce(&Error) -> T) -> web::Result<Response> {
    use Kind::{Conflict, Full, Invalid, TooLarge, TooMany, UnsupportedType};
    let here = [Invalid, Conflict, TooLarge, TooMany, UnsupportedType, Full];
    if !here.contains(&error.kind) {
        return Err(error.into());
    }
    let page = form(&error);
    Ok(web::html_with(Problem::of(&error).status(), &page))
}

#[cfg(test)]
mod tests;
