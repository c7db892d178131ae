//! The JSON calls of tickets (contract, Tickets).

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::{Error, Instant, Money, OrderId, Result, TicketId, UserId, VideoId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Answer, IfNoneMatch, Json, MaybeSession, Paging, PathId, Post, Routes, Session, Tagged, routes};

use crate::Tickets;
use crate::bodies::TicketBody;
use crate::crowd::Shown;
use crate::model::{Draft, Ticket};
use crate::store::{self, Span};

pub(crate) fn routes() -> Routes<Tickets> {
    Routes::new().api(routes!(list, create)).api(routes!(show, edit, withdraw))
}

/// List a ticket for sale
///
/// A video that was published or opened an instant ago is waited for, up to 250 ms.
#[utoipa::path(
    post, path = "/api/tickets", tag = "tickets", operation_id = "createTicket",
    params(Post), security(("session" = [])), request_body = TicketBody,
    responses(
        (status = 201, description = "The ticket, at version 0", body = TicketView),
        (status = 400, description = "title: Title is required | price: Price must be greater than 0 | \
            price: Price must be at most 1000000 | price: Price must have at most two decimals | \
            capacity: Capacity must be between 1 and 1000000 | closesAt: ClosesAt must be after opensAt | \
            videoId: VideoId must be the id of one of your videos | \
            videoId: This video is private: first let whoever has a ticket watch it"),
    ),
)]
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

/// List tickets
///
/// Those that can be bought now; with `mine=true` all of one's own, sold out and withdrawn ones too. Without a session,
/// what can be bought may be a second old.
#[utoipa::path(
    get, path = "/api/tickets", tag = "tickets", operation_id = "listTickets",
    params(Paging, ("mine" = Option<bool>, Query, description = "One's own tickets, which takes a session")),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "The tickets, in order of creation", body = Vec<TicketView>),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
        (status = 400, description = "mine: Mine must be true or false"),
        (status = 401, description = "Not authorized"),
    ),
)]
async fn list(
    State(tickets): State<Tickets>,
    MaybeSession(session): MaybeSession,
    filter: std::result::Result<Query<Filter>, QueryRejection>,
    paging: web::Result<Paging>,
    known: IfNoneMatch,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let Query(filter) = filter.map_err(|_| Error::invalid("Mine must be true or false").at("mine"))?;
    // Who is asking comes before what is wrong with the question.
    let seller = match (filter.mine, &session) {
        (true, None) => Err(Error::unauthorized())?,
        (true, Some(session)) => Some(session.user),
        (false, _) => None,
    };
    let paging = paging?;
    let (shown, control) = match seller {
        Some(seller) => (tickets.list_of(seller, &paging).await?, web::PRIVATE),
        None => (tickets.list_on_sale(session.as_ref(), &paging).await?, web::PUBLIC),
    };
    let mut response = shown.body.answer(&known, control);
    if let Some(last) = shown.last {
        response.headers_mut().extend(web::next(&uri, &last.to_string()));
    }
    Ok(response)
}

impl Tickets {
    /// A part of what can be bought now.
    pub(crate) async fn read_on_sale(&self, span: &Span) -> Result<Shown> {
        written(&store::on_sale(&self.0.db, span, self.0.web.clock().now()).await?, span)
    }

    /// A part of what somebody sells.
    async fn list_of(&self, seller: UserId, paging: &Paging) -> Result<Shown> {
        let span = paging.span()?;
        written(&store::of_user(&self.0.db, seller, &span).await?, &span)
    }
}

/// What was found of `span`. Where it is as long as it may be, there may be more.
fn written(found: &[Ticket], span: &Span) -> Result<Shown> {
    let views: Vec<TicketView> = found.iter().map(TicketView::from).collect();
    let full = i64::try_from(found.len()).is_ok_and(|n| n >= span.limit);
    let last = found.last().filter(|_| full).map(|ticket| ticket.id);
    Ok(Shown { body: Tagged::json(&views)?, last })
}

/// Read a ticket
///
/// Sold out and withdrawn ones too.
#[utoipa::path(
    get, path = "/api/tickets/{id}", tag = "tickets", operation_id = "getTicket",
    params(PathId<TicketId>), security(),
    responses(
        (status = 200, description = "The ticket", body = TicketView),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
    ),
)]
async fn show(
    State(tickets): State<Tickets>,
    PathId(id): PathId<TicketId>,
    known: IfNoneMatch,
) -> web::Result<Response> {
    let ticket = tickets.read(id).await?;
    Ok(Tagged::json(&TicketView::from(&ticket))?.answer(&known, web::PUBLIC))
}

/// Edit one's own ticket
///
/// Members that are left out keep their value. While units are held or sold, the video that they admit to stays. Where a
/// smaller capacity races with holds, it ends as the larger of what was asked and what is taken.
#[utoipa::path(
    put, path = "/api/tickets/{id}", tag = "tickets", operation_id = "editTicket",
    params(PathId<TicketId>), security(("session" = [])), request_body = TicketBody,
    responses(
        (status = 200, description = "The ticket, its version one higher", body = TicketView),
        (status = 400, description = "title: Title is required | price: Price must be greater than 0 | \
            Cannot edit a reserved ticket | Cannot edit a withdrawn ticket | \
            videoId: VideoId must be the id of one of your videos | \
            videoId: This video is private: first let whoever has a ticket watch it"),
        (status = 409, description = "capacity: 3 are taken already | \
            videoId: Units of it are taken: what it admits to stays"),
    ),
)]
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

/// Take one's own ticket from sale
///
/// Existing orders stay. Withdrawing twice is once.
#[utoipa::path(
    delete, path = "/api/tickets/{id}", tag = "tickets", operation_id = "withdrawTicket",
    params(PathId<TicketId>), security(("session" = [])),
    responses((status = 204, description = "It is no longer for sale")),
)]
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
#[derive(Serialize, ToSchema)]
#[schema(as = Ticket, description = "What a seller lists", example = json!({
    "id": "01a1fcab-6d9a-759a-9c8d-452838397400", "title": "Metropolis — with live organ", "price": 24,
    "userId": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27", "version": 0, "capacity": 120, "available": 118,
    "startsAt": "2026-12-24T19:30:00.000Z",
}))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketView {
    id: TicketId,
    title: String,
    price: Money,
    /// Its seller.
    user_id: UserId,
    /// 0 at first; each edit by its owner adds one.
    #[schema(minimum = 0)]
    version: i64,
    /// How many units there are.
    #[schema(minimum = 1)]
    capacity: i64,
    /// How many of them can be had.
    #[schema(minimum = 0)]
    available: i64,
    /// When it begins.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Instant>,
    /// The video that it admits to.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    video_id: Option<VideoId>,
    /// From when the video may be watched.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<Instant>,
    /// Until when the video may be watched.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_at: Option<Instant>,
    /// Who holds or has bought it; on a ticket of capacity 1 alone.
    #[schema(nullable = false)]
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
