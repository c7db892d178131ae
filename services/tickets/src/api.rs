//! The JSON calls of tickets (contract, Tickets).

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kernel::{Error, Instant, Money, OrderId, Result, TicketId, UserId, VideoId};
use serde::{Deserialize, Serialize};
use web::{Answer, Json, MaybeSession, Paging, PathId, Post, Routes, Session};

use crate::model::{Draft, Ticket};
use crate::{Tickets, store};

pub(crate) fn routes() -> Routes<Tickets> {
    Routes::new()
        .route("/api/tickets", get(list).post(create))
        .route("/api/tickets/{id}", get(show).put(edit).delete(withdraw))
}

async fn create(State(tickets): State<Tickets>, session: Session, request: Post) -> web::Result<Response> {
    request
        .once(&tickets.0.db, &session, "POST /api/tickets", async |fields, key| {
            let ticket = tickets.list(session.user, Draft::read(fields)?, key).await?;
            Ok(Answer::created(&TicketView::from(&ticket)))
        })
        .await
}

/// The part of a list's query that is not paging.
#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    mine: bool,
}

async fn list(
    State(tickets): State<Tickets>,
    MaybeSession(session): MaybeSession,
    filter: std::result::Result<Query<Filter>, QueryRejection>,
    paging: web::Result<Paging>,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let Query(filter) = filter.map_err(|_| Error::invalid("Mine must be true or false").at("mine"))?;
    // Who is asking comes before what is wrong with the question.
    let seller = if filter.mine { Some(session.ok_or_else(Error::unauthorized)?.user) } else { None };
    let paging = paging?;
    let found = match seller {
        Some(seller) => store::of_user(&tickets.0.db, seller, &paging.span()?).await?,
        None => store::on_sale(&tickets.0.db, &paging.span()?, tickets.0.web.clock().now()).await?,
    };
    let views: Vec<TicketView> = found.iter().map(TicketView::from).collect();
    Ok(web::list(&uri, &paging, &views, found.last().map(|ticket| ticket.id.to_string())))
}

async fn show(State(tickets): State<Tickets>, PathId(id): PathId<TicketId>) -> web::Result<Response> {
    let ticket = tickets.read(id).await?;
    Ok(axum::Json(TicketView::from(&ticket)).into_response())
}

async fn edit(
    State(tickets): State<Tickets>,
    session: Session,
    id: web::Result<PathId<TicketId>>,
    Json(fields): Json,
) -> web::Result<Response> {
    let draft = Draft::read(fields)?;
    let PathId(id) = id?;
    let ticket = tickets.edit(&session, id, draft).await?;
    Ok(axum::Json(TicketView::from(&ticket)).into_response())
}

async fn withdraw(
    State(tickets): State<Tickets>,
    session: Session,
    PathId(id): PathId<TicketId>,
) -> web::Result<StatusCode> {
    tickets.withdraw(&session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The JSON of a ticket, as stored under an idempotency key.
pub(crate) fn body(ticket: &Ticket) -> Result<String> {
    serde_json::to_string(&TicketView::from(ticket))
        .map_err(|e| Error::internal("a ticket has no JSON").because(e))
}

/// A ticket on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketView {
    id: TicketId,
    title: String,
    price: Money,
    user_id: UserId,
    version: i64,
    capacity: i64,
    available: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video_id: Option<VideoId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
}

impl From<&Ticket> for TicketView {
    fn from(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id,
            title: ticket.title.clone(),
            price: ticket.price,
            user_id: ticket.user_id,
            version: ticket.version,
            capacity: ticket.capacity,
            available: ticket.available(),
            starts_at: ticket.starts_at,
            video_id: ticket.video_id,
            opens_at: ticket.opens_at,
            closes_at: ticket.closes_at,
            order_id: ticket.order_id.filter(|_| ticket.capacity == 1),
        }
    }
}
