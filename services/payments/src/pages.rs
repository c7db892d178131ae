//! What the forms of other pages post here. Payments has no page of its own: it leads back to the
//! order, or to the sales, with a word about what went wrong.

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use contracts::{CancelReason, PaymentStatus};
use kernel::{Error, Kind, OrderId, PaymentId, Result};
use web::{Form, PageSession, PathId, Routes, see_other};

use crate::Payments;
use crate::api::wish;

pub(crate) fn routes() -> Routes<Payments> {
    Routes::new().route("/payments", post(pay)).route("/payments/{id}/refund", post(refund))
}

async fn pay(
    State(payments): State<Payments>,
    PageSession(session): PageSession,
    Form(fields): Form,
) -> web::Result<Response> {
    let (order, token) = wish(fields)?;
    match payments.pay(session.user, order, &token, None).await {
        Ok(_) => Ok(see_other(&format!("/orders/{order}?paid=1"))),
        Err(error) => {
            let problem = payments.problem(order, error).await?;
            Ok(see_other(&format!("/orders/{order}?problem={problem}")))
        }
    }
}

async fn refund(
    State(payments): State<Payments>,
    PageSession(session): PageSession,
    PathId(id): PathId<PaymentId>,
) -> web::Result<Response> {
    match payments.refund(&session, id).await {
        Ok(_) => Ok(see_other("/sales")),
        // Asked for, and done once the gateway is back.
        Err(error) if error.kind == Kind::Unavailable && payments.asked_back(id).await? => {
            tracing::warn!(payment = %id, %error, "a refund has to wait");
            Ok(see_other("/sales?refund=later"))
        }
        Err(error) => Err(error.into()),
    }
}

impl Payments {
    /// The word by which the order's page knows what went wrong. It reads where the order stands rather
    /// than the sentence of `error`.
    ///
    /// # Errors
    /// `error` itself, if it is none that the order's page could speak of.
    async fn problem(&self, order: OrderId, error: Error) -> Result<&'static str> {
        match error.kind {
            Kind::Declined => return Ok("declined"),
            Kind::Conflict => return Ok("processing"),
            Kind::Invalid if error.errors.iter().any(|e| e.field.as_deref() == Some("token")) => {
                return Ok("token");
            }
            Kind::Invalid => {}
            Kind::Unavailable => tracing::warn!(%order, %error, "a payment was not settled at once"),
            _ => return Err(error),
        }
        let standing = self.payment_of(order).await?.map(|payment| payment.status);
        let reason = self.order(order).await?.and_then(|order| order.reason);
        Ok(match (standing, reason) {
            (Some(PaymentStatus::Pending), None) => "processing",
            (_, Some(CancelReason::Buyer | CancelReason::Refunded)) | (Some(PaymentStatus::Refunded), _) => {
                "cancelled"
            }
            (Some(PaymentStatus::Captured), None) => "paid",
            _ if error.kind == Kind::Unavailable => "unavailable",
            _ => "expired",
        })
    }

    async fn asked_back(&self, id: PaymentId) -> Result<bool> {
        Ok(self.payment(id).await?.is_some_and(|payment| payment.refund_requested))
    }
}
