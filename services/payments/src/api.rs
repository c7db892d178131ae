//! The JSON calls of payments (contract, Payments).

use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use contracts::PaymentStatus;
use kernel::{Error, Instant, Money, OrderId, PaymentId, Result};
use serde::Serialize;
use serde_json::json;
use web::{Answer, Fields, Paging, PathId, Post, RawBody, Routes, Session};

use crate::Payments;
use crate::model::Payment;

pub(crate) fn routes() -> Routes<Payments> {
    Routes::new()
        .route("/api/payments", get(list).post(create))
        .route("/api/payments/{id}/refund", post(refund))
        .route("/api/payments/webhook", post(webhook))
}

async fn create(State(payments): State<Payments>, session: Session, request: Post) -> web::Result<Response> {
    request
        .once(&payments.0.db, &session, "POST /api/payments", async |fields, key| {
            let (order, token) = wish(fields)?;
            let payment = payments.pay(session.user, order, &token, key).await?;
            Ok(Answer::created(&json!({ "id": payment.id })))
        })
        .await
}

async fn list(
    State(payments): State<Payments>,
    session: Session,
    paging: Paging,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let found = payments.of_user(session.user, &paging.span()?).await?;
    let views: Vec<PaymentView> = found.iter().map(PaymentView::from).collect();
    Ok(web::list(&uri, &paging, &views, found.last().map(|payment| payment.id.to_string())))
}

async fn refund(
    State(payments): State<Payments>,
    session: Session,
    PathId(id): PathId<PaymentId>,
    request: Post,
) -> web::Result<Response> {
    request
        .once(&payments.0.db, &session, "POST /api/payments/{id}/refund", async |_, _| {
            Ok(Answer::ok(&PaymentView::from(&payments.refund(&session, id).await?)))
        })
        .await
}

/// The gateway calls: what it calls about is settled before it is answered.
async fn webhook(
    State(payments): State<Payments>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> web::Result<Answer> {
    if let Some(payment) = payments.gateway().heard(&headers, &body)? {
        payments.settle_now(payment).await?;
    }
    Ok(Answer::ok(&json!({})))
}

/// Reads what is to be paid, and with what, from a JSON body or a form.
pub(crate) fn wish(mut fields: Fields) -> Result<(OrderId, String)> {
    const ORDER: &str = "OrderId must be provided";
    let order = fields.id("orderId", ORDER);
    let token = fields.text("token", "Token must be provided", 1..=255);
    fields.finish()?;
    Ok((order.ok_or_else(|| Error::invalid(ORDER).at("orderId"))?, token.unwrap_or_default()))
}

/// A payment on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentView {
    id: PaymentId,
    order_id: OrderId,
    amount: Money,
    status: PaymentStatus,
    created_at: Instant,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        let Payment { id, order_id, amount, status, created_at, .. } = *payment;
        Self { id, order_id, amount, status, created_at }
    }
}
