//! The JSON calls of orders, sales and admissions (contract, Orders and expiration).

use std::collections::HashMap;

use axum::extract::{OriginalUri, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use db::IdempotencyKey;
use kernel::{Error, Instant, Money, OrderId, PaymentId, Result, TicketId};
use serde::Serialize;
use web::{Answer, Fields, Paging, PathId, Post, Routes, Session};

use crate::model::{Admission, Order, Sale};
use crate::store::Span;
use crate::{Orders, Reserve, store};

pub(crate) fn routes() -> Routes<Orders> {
    Routes::new()
        .route("/api/orders", get(list).post(create))
        .route("/api/orders/{id}", get(show).delete(cancel))
        .route("/api/sales", get(sales))
        .route("/api/admissions/{code}/redeem", post(redeem))
}

async fn create(State(orders): State<Orders>, session: Session, request: Post) -> web::Result<Response> {
    request
        .once(&orders.0.db, &session, "POST /api/orders", async |fields, key| {
            let order = orders.reserve(orders.wish(fields, &session, key)?).await?;
            Ok(Answer::created(&OrderView::new(&order, &[])))
        })
        .await
}

async fn list(
    State(orders): State<Orders>,
    session: Session,
    paging: Paging,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let found = orders.of_user(&session, &paging.span()?).await?;
    let views: Vec<OrderView> =
        found.iter().map(|(order, admissions)| OrderView::new(order, admissions)).collect();
    Ok(web::list(&uri, &paging, &views, found.last().map(|(order, _)| order.id.to_string())))
}

async fn show(
    State(orders): State<Orders>,
    session: Session,
    PathId(id): PathId<OrderId>,
) -> web::Result<Response> {
    let (order, admissions) = orders.read(&session, id).await?;
    Ok(axum::Json(OrderView::new(&order, &admissions)).into_response())
}

async fn cancel(
    State(orders): State<Orders>,
    session: Session,
    PathId(id): PathId<OrderId>,
) -> web::Result<StatusCode> {
    orders.cancel(&session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sales(
    State(orders): State<Orders>,
    session: Session,
    paging: Paging,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let sales = store::sales(&orders.0.db, session.user, &paging.span()?).await?;
    let views: Vec<SaleView> = sales.iter().map(SaleView::from).collect();
    Ok(web::list(&uri, &paging, &views, sales.last().map(|sale| sale.order_id.to_string())))
}

async fn redeem(
    State(orders): State<Orders>,
    session: Session,
    Path(code): Path<String>,
) -> web::Result<Response> {
    let (order, at) = orders.redeem(&session, &code).await?;
    let view = RedeemedView { ticket_id: order.ticket.id, title: order.ticket.title, redeemed_at: at };
    Ok(axum::Json(view).into_response())
}

/// The JSON of an order, as stored under an idempotency key.
pub(crate) fn body(order: &Order, admissions: &[Admission]) -> Result<String> {
    serde_json::to_string(&OrderView::new(order, admissions))
        .map_err(|e| Error::internal("an order has no JSON").because(e))
}

impl Orders {
    /// Reads the wish of a form or a JSON body.
    pub(crate) fn wish(
        &self,
        mut fields: Fields,
        session: &Session,
        key: Option<IdempotencyKey>,
    ) -> Result<Reserve> {
        let max = self.0.settings.max_per_order;
        let ticket = fields.id("ticketId", "TicketId must be provided");
        let quantity = fields.optional_integer("quantity", "Quantity is out of range", 1..=max);
        fields.finish()?;
        let ticket = ticket.ok_or_else(|| Error::invalid("TicketId must be provided").at("ticketId"))?;
        Ok(Reserve { user: session.user, ticket, quantity: quantity.unwrap_or(1), key })
    }

    /// A buyer's orders with their admissions.
    pub(crate) async fn of_user(
        &self,
        session: &Session,
        span: &Span,
    ) -> Result<Vec<(Order, Vec<Admission>)>> {
        let orders = store::of_user(&self.0.db, session.user, span).await?;
        let (Some(first), Some(last)) =
            (orders.iter().map(|o| o.id).min(), orders.iter().map(|o| o.id).max())
        else {
            return Ok(Vec::new());
        };
        let mut admissions: HashMap<OrderId, Vec<Admission>> = HashMap::new();
        for (order, admission) in store::admissions_between(&self.0.db, session.user, first, last).await? {
            admissions.entry(order).or_default().push(admission);
        }
        Ok(orders
            .into_iter()
            .map(|order| {
                let admissions = admissions.remove(&order.id).unwrap_or_default();
                (order, admissions)
            })
            .collect())
    }
}

/// An order on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderView {
    id: OrderId,
    status: contracts::OrderStatus,
    user_id: kernel::UserId,
    quantity: i64,
    amount: Money,
    expires_at: Instant,
    version: i64,
    ticket: TicketView,
    #[serde(skip_serializing_if = "Option::is_none")]
    admissions: Option<Vec<AdmissionView>>,
}

#[derive(Serialize)]
struct TicketView {
    id: TicketId,
    title: String,
    price: Money,
    version: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionView {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    redeemed_at: Option<Instant>,
}

impl OrderView {
    /// Admissions are there once the order is complete.
    pub(crate) fn new(order: &Order, admissions: &[Admission]) -> Self {
        let complete = order.status == contracts::OrderStatus::Complete;
        let view = |a: &Admission| AdmissionView { code: a.code.clone(), redeemed_at: a.redeemed_at };
        Self {
            id: order.id,
            status: order.status,
            user_id: order.user_id,
            quantity: order.quantity,
            amount: order.amount,
            expires_at: order.expires_at,
            version: order.version,
            ticket: TicketView {
                id: order.ticket.id,
                title: order.ticket.title.clone(),
                price: order.ticket.price,
                version: order.ticket.version,
            },
            admissions: complete.then(|| admissions.iter().map(view).collect()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SaleView {
    order_id: OrderId,
    ticket_id: TicketId,
    quantity: i64,
    amount: Money,
    status: contracts::OrderStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<PaymentId>,
}

impl From<&Sale> for SaleView {
    fn from(sale: &Sale) -> Self {
        let Sale { order_id, ticket_id, quantity, amount, status, payment_id, .. } = *sale;
        Self { order_id, ticket_id, quantity, amount, status, payment_id }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RedeemedView {
    ticket_id: TicketId,
    title: String,
    redeemed_at: Instant,
}
