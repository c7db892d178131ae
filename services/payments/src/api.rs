//! The JSON calls of payments (contract, Payments).

use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::PaymentStatus;
use kernel::{Error, Instant, Money, OrderId, PaymentId, Result};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Answer, Fields, Paging, PathId, Post, RawBody, Routes, Session, routes};

use crate::Payments;
use crate::bodies::{PaymentBody, RefundBody};
use crate::model::Payment;

pub(crate) fn routes() -> Routes<Payments> {
    Routes::new().api(routes!(list, create)).api(routes!(refund)).api(routes!(webhook))
}

/// Pay for one's own order
///
/// Charges what the order costs. If the gateway declines, the hold stays until it expires, and another try is allowed.
/// A 503 says that nobody knows yet what became of the money: send it again under the same key.
#[utoipa::path(
    post, path = "/api/payments", tag = "payments", operation_id = "createPayment",
    params(Post), security(("session" = [])), request_body = PaymentBody,
    responses(
        (status = 201, description = "The money is taken", body = NewPayment),
        (status = 400, description = "orderId: OrderId must be provided | token: Token must be provided | \
            token: No such token | Cannot pay for a cancelled order | Order has expired | Order is already paid"),
        (status = 402, description = "Your card was declined | Your card has insufficient funds | Your card has expired | \
            Your card's security code is incorrect | \
            Your card could not be processed, try again in a little while | \
            Your card was used too often or is over its limit | \
            The payment did not go through in time, nothing was charged"),
        (status = 404, description = "Not found"),
        (status = 409, description = "A payment for this order is already being processed"),
    ),
)]
async fn create(State(payments): State<Payments>, session: Session, request: Post) -> web::Result<Response> {
    request
        .once(&payments.0.db, &session, "POST /api/payments", async |fields, key| {
            let (order, token) = wish(fields)?;
            let payment = payments.pay(session.user, order, &token, key).await?;
            Ok(Answer::created(&NewPayment { id: payment.id }))
        })
        .await
}

/// One's own payments
#[utoipa::path(
    get, path = "/api/payments", tag = "payments", operation_id = "listPayments",
    params(Paging), security(("session" = [])),
    responses((status = 200, description = "The payments, with where they stand", body = Vec<PaymentView>)),
)]
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

/// Give the money back
///
/// For the seller of what was paid for, and for operators. Done once however often it is asked; the order is
/// cancelled when the money is back.
#[utoipa::path(
    post, path = "/api/payments/{id}/refund", tag = "payments", operation_id = "refundPayment",
    params(PathId<PaymentId>, Post), security(("session" = [])), request_body = Option<RefundBody>,
    responses(
        (status = 200, description = "The payment, refunded", body = PaymentView, example = json!({
            "id": "01a1fcb1-94ce-7d08-93f2-d05a6c1e7b3a", "orderId": "01a1fcb0-05d3-7a4f-a16e-3c7be2d81594",
            "amount": 48, "status": "refunded", "createdAt": "2026-11-21T19:33:10.000Z",
        })),
        (status = 409, description = "Payment cannot be refunded"),
    ),
)]
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

/// Hear from the payment gateway
///
/// For Stripe, which signs what it sends. What it is about is settled before it is answered. An installation with the built-in gateway answers 404.
#[utoipa::path(
    post, path = "/api/payments/webhook", tag = "payments", operation_id = "gatewayEvent", security(),
    params(("Stripe-Signature" = Option<String>, Header, description = "Of the body, with the secret that Stripe was given")),
    request_body(content = Object, description = "A Stripe event", content_type = "application/json", example = json!({
        "id": "evt_1SWtZ2", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_3SWtYz"}},
    })),
    extensions(("x-raw-body" = json!(true))),
    responses(
        (status = 200, description = "The effect is stored", body = Heard),
        (status = 400, description = "The signature is not valid | The signature is too old | The event cannot be read"),
        (status = 404, description = "Not found"),
    ),
)]
async fn webhook(
    State(payments): State<Payments>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> web::Result<Answer> {
    if let Some(payment) = payments.gateway().heard(&headers, &body)? {
        payments.settle_now(payment).await?;
    }
    Ok(Answer::ok(&Heard {}))
}

/// Reads what is to be paid, and with what, from a JSON body or a form.
pub(crate) fn wish(mut fields: Fields) -> Result<(OrderId, String)> {
    const ORDER: &str = "OrderId must be provided";
    let order = fields.id("orderId", ORDER);
    let token = fields.text("token", "Token must be provided", 1..=255);
    fields.finish()?;
    Ok((order.ok_or_else(|| Error::invalid(ORDER).at("orderId"))?, token.unwrap_or_default()))
}

/// A payment that was just made.
#[derive(Serialize, ToSchema)]
struct NewPayment {
    id: PaymentId,
}

/// The gateway wants no answer but that it was heard.
#[derive(Serialize, ToSchema)]
struct Heard {}

/// One attempt to pay for an order, at all of its amount.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
#[serde(rename_all = "camelCase")]
struct PaymentView {
    id: PaymentId,
    order_id: OrderId,
    #[schema(example = 48)]
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
