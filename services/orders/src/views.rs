//! Orders, sales and admissions on the wire.

use contracts::OrderStatus;
use kernel::{Instant, Money, OrderId, PaymentId, TicketId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Admission, Order, Sale};

/// A hold, and what becomes of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Order, example = json!({
    "id": "01a1fcb0-05d3-7a4f-a16e-3c7be2d81594", "status": "complete", "userId": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27",
    "quantity": 2, "amount": 48, "expiresAt": "2026-11-21T19:45:00.000Z", "version": 2,
    "ticket": {"id": "01a1fcab-6d9a-759a-9c8d-452838397400", "title": "Metropolis — with live organ", "price": 24, "version": 0},
    "admissions": [{"code": "0b7c41f2a96d4e1f8a3c5d27e9b04f61"}, {"code": "d81e5a0c37f24b9c9f06b2e4a7135c8d", "redeemedAt": "2026-12-24T19:12:08.000Z"}],
}))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderView {
    id: OrderId,
    status: OrderStatus,
    /// Its buyer.
    user_id: UserId,
    /// How many units.
    #[schema(minimum = 1)]
    quantity: i64,
    /// For all units.
    amount: Money,
    /// When an unpaid hold ends.
    expires_at: Instant,
    /// 0 at first; every change adds one.
    #[schema(minimum = 0)]
    version: i64,
    ticket: TicketView,
    /// One per unit, once the order is complete.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    admissions: Option<Vec<AdmissionView>>,
}

/// The ticket as it was when the order was made.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderTicket)]
struct TicketView {
    id: TicketId,
    title: String,
    /// For one unit.
    price: Money,
    version: i64,
}

/// What lets one in.
#[derive(Serialize, ToSchema)]
#[schema(as = Admission)]
#[serde(rename_all = "camelCase")]
struct AdmissionView {
    /// Nobody can guess it; the QR code carries it.
    code: String,
    /// When it was used.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    redeemed_at: Option<Instant>,
}

impl OrderView {
    /// Admissions are there once the order is complete.
    pub(crate) fn new(order: &Order, admissions: &[Admission]) -> Self {
        let complete = order.status == OrderStatus::Complete;
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

/// An order of one's own ticket, as its seller sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Sale)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaleView {
    order_id: OrderId,
    ticket_id: TicketId,
    /// How many units.
    #[schema(minimum = 1, example = 2)]
    quantity: i64,
    /// For all units.
    amount: Money,
    status: OrderStatus,
    /// What paid for it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<PaymentId>,
}

impl From<&Sale> for SaleView {
    fn from(sale: &Sale) -> Self {
        let Sale { order_id, ticket_id, quantity, amount, status, payment_id, .. } = *sale;
        Self { order_id, ticket_id, quantity, amount, status, payment_id }
    }
}

/// Whom to let in.
#[derive(Serialize, ToSchema)]
#[schema(as = Redeemed)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedeemedView {
    pub(crate) ticket_id: TicketId,
    #[schema(example = "Metropolis — with live organ")]
    pub(crate) title: String,
    /// Now.
    pub(crate) redeemed_at: Instant,
}
