//! The JSON calls of orders, sales and admissions (contract, Orders and expiration).

use std::collections::HashMap;

use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use db::IdempotencyKey;
use kernel::{Error, OrderId, Result};
use web::{Answer, Fields, Paging, PathId, Post, Routes, Session, routes};

use crate::bodies::OrderBody;
use crate::code::PathCode;
use crate::model::{Admission, Order};
use crate::store::Span;
use crate::views::{OrderView, RedeemedView, SaleView};
use crate::{Orders, Reserve, store};

pub(crate) fn routes() -> Routes<Orders> {
    Routes::new()
        .api(routes!(list, create))
        .api(routes!(show, cancel))
        .api(routes!(sales))
        .api(routes!(redeem))
}

/// Hold units of a ticket
///
/// They are the buyer's until `expiresAt`, at the price of this moment. A ticket that was listed an instant ago is
/// waited for, up to 250 ms.
#[utoipa::path(
    post, path = "/api/orders", tag = "orders", operation_id = "createOrder",
    params(Post), security(("session" = [])), request_body = OrderBody,
    responses(
        (status = 201, description = "The order, which holds its units", body = OrderView, example = json!({
            "id": "01a1fcb0-05d3-7a4f-a16e-3c7be2d81594", "status": "created",
            "userId": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27", "quantity": 2, "amount": 48,
            "expiresAt": "2026-11-21T19:45:00.000Z", "version": 0,
            "ticket": {"id": "01a1fcab-6d9a-759a-9c8d-452838397400", "title": "Metropolis — with live organ",
                       "price": 24, "version": 0},
        })),
        (status = 400, description = "ticketId: TicketId must be provided | quantity: Quantity is out of range | \
            Ticket is already reserved"),
        (status = 404, description = "Not found"),
    ),
)]
async fn create(State(orders): State<Orders>, session: Session, request: Post) -> web::Result<Response> {
    request
        .once(&orders.0.db, &session, "POST /api/orders", async |fields, key| {
            let order = orders.reserve(orders.wish(fields, &session, key)?).await?;
            Ok(Answer::created(&OrderView::new(&order, &[])))
        })
        .await
}

/// One's own orders
#[utoipa::path(
    get, path = "/api/orders", tag = "orders", operation_id = "listOrders",
    params(Paging), security(("session" = [])),
    responses((status = 200, description = "The orders, each with its ticket", body = Vec<OrderView>)),
)]
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

/// Read one's own order
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "orders", operation_id = "getOrder",
    params(PathId<OrderId>), security(("session" = [])),
    responses((status = 200, description = "The order", body = OrderView)),
)]
async fn show(
    State(orders): State<Orders>,
    session: Session,
    PathId(id): PathId<OrderId>,
) -> web::Result<Response> {
    let (order, admissions) = orders.read(&session, id).await?;
    Ok(axum::Json(OrderView::new(&order, &admissions)).into_response())
}

/// Let one's own order go
///
/// Its units are free again. A paid order is refunded, once. One that is over already stays as it is.
#[utoipa::path(
    delete, path = "/api/orders/{id}", tag = "orders", operation_id = "cancelOrder",
    params(PathId<OrderId>), security(("session" = [])),
    responses(
        (status = 204, description = "It is let go, or was"),
        (status = 409, description = "This order has been used already | This order has been watched already | \
            This order's event has already begun"),
    ),
)]
async fn cancel(
    State(orders): State<Orders>,
    session: Session,
    PathId(id): PathId<OrderId>,
) -> web::Result<StatusCode> {
    orders.cancel(&session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Orders of one's own tickets
#[utoipa::path(
    get, path = "/api/sales", tag = "orders", operation_id = "listSales",
    params(Paging), security(("session" = [])),
    responses((status = 200, description = "What was ordered of one's tickets", body = Vec<SaleView>)),
)]
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

/// Admit one unit, once
///
/// For the ticket's seller and for operators.
#[utoipa::path(
    post, path = "/api/admissions/{code}/redeem", tag = "orders", operation_id = "redeemAdmission",
    params(("code" = String, Path, description = "What the admission's QR code carries", example = "0b7c41f2a96d4e1f8a3c5d27e9b04f61")),
    security(("session" = [])),
    responses(
        (status = 200, description = "Let them in", body = RedeemedView),
        (status = 409, description = "Already redeemed at 2026-12-24T19:12:08.000Z"),
        (status = 410, description = "This admission was refunded"),
    ),
)]
async fn redeem(
    State(orders): State<Orders>,
    session: Session,
    PathCode(code): PathCode,
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
