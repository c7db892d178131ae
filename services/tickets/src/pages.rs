//! The pages of tickets: what is on sale, one ticket, and the forms of its seller.

mod film;
mod list;
mod rows;
mod view;

use std::collections::HashMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use kernel::{Error, Kind, Result, TicketId, VideoId};
use serde::{Deserialize, Serialize};
use web::{
    Answer, Form, FormView, MaybeSession, Page, PageSession, PathId, Problem, Routes, Session, see_other,
};

use crate::model::{Draft, Ticket, Video};
use crate::{Tickets, store};
use view::{SellPage, Shown, TicketPage};

pub(crate) fn routes() -> Routes<Tickets> {
    Routes::new()
        .route("/", get(list::home))
        .route("/tickets/new", get(sell).post(offer))
        .route("/tickets/mine", get(list::mine))
        .route("/tickets/now", get(list::now))
        .route("/tickets/live", get(list::live))
        .route("/tickets/{id}", get(show))
        .route("/tickets/{id}/now", get(now))
        .route("/tickets/{id}/live", get(live))
        .route("/tickets/{id}/edit", get(change).post(edit))
        .route("/tickets/{id}/withdraw", post(withdraw))
}

/// What of the address fills the form.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Preset {
    /// The video that tickets are to be sold for.
    video_id: Option<VideoId>,
}

async fn sell(
    State(tickets): State<Tickets>,
    PageSession(session): PageSession,
    preset: std::result::Result<Query<Preset>, QueryRejection>,
) -> web::Result<Response> {
    let Query(preset) = preset.unwrap_or_default();
    let offered = tickets.offered(session.user, None).await?;
    let values = FormView::default().with("capacity", "1");
    let values = match offered.iter().find(|video| preset.video_id == Some(video.id)) {
        Some(video) => values.with("videoId", video.id.to_string()).with("title", video.title.clone()),
        None => values,
    };
    Ok(web::html(&tickets.sell_page(&session, values, offered)))
}

async fn offer(
    State(tickets): State<Tickets>,
    PageSession(session): PageSession,
    Form(fields): Form,
) -> web::Result<Response> {
    let typed = fields.typed();
    let listed = match Draft::read(fields) {
        Ok(draft) => tickets.list(session.user, draft, None).await,
        Err(error) => Err(error),
    };
    match listed {
        Ok(ticket) => Ok(see_other(&path(ticket.id))),
        Err(error) => {
            let offered = tickets.offered(session.user, None).await?;
            again(typed, error, |values| tickets.sell_page(&session, values, offered))
        }
    }
}

async fn show(
    State(tickets): State<Tickets>,
    MaybeSession(session): MaybeSession,
    PathId(id): PathId<TicketId>,
) -> web::Result<Response> {
    let ticket = tickets.read(id).await?;
    let page = tickets.page(session.as_ref(), &ticket.title, &path(id));
    let own = session.is_some_and(|session| session.user == ticket.user_id);
    let most = tickets.0.settings.max_per_order;
    let video = match ticket.video_id {
        Some(id) => store::videos::read(&tickets.0.db, id).await?,
        None => None,
    };
    let now = tickets.0.web.clock().now();
    let ticket = Shown::new(&page, (&ticket, video.as_ref()), own, most, now);
    Ok(web::html(&TicketPage { page, ticket, hold: tickets.hold(), values: FormView::default() }))
}

/// What of a ticket changes by itself while its page is open.
#[derive(Serialize)]
struct Live {
    status: &'static str,
    available: i64,
    capacity: i64,
}

async fn now(State(tickets): State<Tickets>, PathId(id): PathId<TicketId>) -> web::Result<Answer> {
    Ok(Answer::ok(&tickets.live(id).await?))
}

async fn live(State(tickets): State<Tickets>, PathId(id): PathId<TicketId>) -> web::Result<Response> {
    tickets.live(id).await?;
    let web = tickets.0.web.clone();
    Ok(web::live(&web, format!("ticket:{id}"), move || {
        let tickets = tickets.clone();
        async move { tickets.live(id).await }
    }))
}

async fn change(
    State(tickets): State<Tickets>,
    PageSession(session): PageSession,
    PathId(id): PathId<TicketId>,
) -> web::Result<Response> {
    let ticket = tickets.own(&session, id).await?;
    if ticket.withdrawn {
        // Nothing of it can be saved any more.
        return Ok(see_other(&path(id)));
    }
    let offered = tickets.offered(session.user, ticket.video_id).await?;
    let values = view::filled(&ticket, &offered);
    Ok(web::html(&tickets.edit_page(&session, id, values, offered)))
}

async fn edit(
    State(tickets): State<Tickets>,
    PageSession(session): PageSession,
    PathId(id): PathId<TicketId>,
    Form(fields): Form,
) -> web::Result<Response> {
    // Nobody else is shown the form again.
    let ticket = tickets.own(&session, id).await?;
    let typed = fields.typed();
    let edited = match Draft::read(fields) {
        Ok(draft) => tickets.edit(&session, id, draft.with_all_shown()).await,
        Err(error) => Err(error),
    };
    match edited {
        Ok(_) => Ok(see_other(&path(id))),
        Err(error) => {
            let offered = tickets.offered(session.user, ticket.video_id).await?;
            again(typed, error, |values| tickets.edit_page(&session, id, values, offered))
        }
    }
}

async fn withdraw(
    State(tickets): State<Tickets>,
    PageSession(session): PageSession,
    PathId(id): PathId<TicketId>,
) -> web::Result<Response> {
    tickets.withdraw(&session, id).await?;
    Ok(see_other(&path(id)))
}

impl Tickets {
    fn page(&self, session: Option<&Session>, title: &str, path: &str) -> Page {
        Page::new(&self.0.web, session, title, path)
    }

    /// How long a hold lasts, in words.
    fn hold(&self) -> String {
        view::lasting(self.0.settings.hold)
    }

    fn sell_page(&self, session: &Session, values: FormView, offered: Vec<Video>) -> SellPage {
        SellPage::new(self.page(Some(session), "Sell a ticket", "/tickets/new"), None, values, offered)
    }

    fn edit_page(&self, session: &Session, id: TicketId, values: FormView, offered: Vec<Video>) -> SellPage {
        let page = self.page(Some(session), "Edit ticket", &format!("{}/edit", path(id)));
        SellPage::new(page, Some(id), values, offered)
    }

    /// A ticket of one's own: 404 if there is none, 401 if it is another's.
    async fn own(&self, session: &Session, id: TicketId) -> Result<Ticket> {
        let ticket = self.read(id).await?;
        session.require_owner(ticket.user_id).map(|()| ticket)
    }

    async fn live(&self, id: TicketId) -> Result<Live> {
        let found = self.0.looks.load(&[id]).await?;
        let ticket = found.first().ok_or_else(Error::not_found)?;
        let status = ticket.status(self.0.web.clock().now()).as_str();
        Ok(Live { status, available: ticket.available(), capacity: ticket.capacity })
    }
}

fn path(id: TicketId) -> String {
    format!("/tickets/{id}")
}

/// The form again with what was typed, if that can be put right there; otherwise the error itself.
fn again(
    typed: HashMap<String, String>,
    error: Error,
    form: impl FnOnce(FormView) -> SellPage,
) -> web::Result<Response> {
    if !matches!(error.kind, Kind::Invalid | Kind::Conflict) {
        return Err(error.into());
    }
    let values = FormView::failed(typed, &error);
    Ok(web::html_with(Problem::of(&error).status(), &form(values)))
}

#[cfg(test)]
mod tests;
