//! What `marquee verify` asks of payments: that the gateway's books and the payments say the same (I2),
//! and its side of the copies (I4). It reads beside a running server, so the two are compared as they were
//! one moment apart, and only what cannot be true of any two such moments is a fault.

use contracts::{OrderStatus, PaymentState, PaymentStatus};
use db::{Db, from_row};
use kernel::{Money, OrderId, PaymentId, Result};

use crate::gateway::{Entry, Gateway, TestGateway};
use crate::model::Payment;
use crate::store::{self, check, start};

/// Rows read in one go.
const PAGE: i64 = 500;

/// The copy of an order that payments keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderCopy {
    /// The order.
    pub id: OrderId,
    /// Its version.
    pub version: i64,
    /// Where it stands.
    pub status: OrderStatus,
    /// What it costs.
    pub amount: Money,
}
from_row!(OrderCopy { id, version, status, amount });

/// Payments after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn payments_after(db: &Db, after: Option<PaymentId>, limit: i64) -> Result<Vec<PaymentState>> {
    Ok(page(db, after, limit).await?.iter().map(Payment::state).collect())
}

/// Copies of orders after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn order_copies_after(db: &Db, after: Option<OrderId>, limit: i64) -> Result<Vec<OrderCopy>> {
    db.all(check::COPIES, &[&start(after), &limit]).await
}

/// One payment, if it is known.
///
/// # Errors
/// As the database says.
pub async fn payment(db: &Db, id: PaymentId) -> Result<Option<PaymentState>> {
    Ok(store::payment(db, id).await?.as_ref().map(Payment::state))
}

/// I2, as far as payments alone can tell: how many payments were looked at, and a sentence for each
/// fault. The gateway's books are compared if they are ours to read.
///
/// # Errors
/// As the databases say.
pub async fn money(db: &Db, gateway: &Gateway) -> Result<(i64, Vec<String>)> {
    let mut faults = paid_twice(db).await?;
    if let Some(test) = gateway.as_test() {
        books_against_payments(db, test, &mut faults).await?;
    }
    let seen = payments_against_books(db, gateway.as_test(), &mut faults).await?;
    Ok((seen, faults))
}

async fn page(db: &Db, after: Option<PaymentId>, limit: i64) -> Result<Vec<Payment>> {
    db.all(check::PAYMENTS, &[&start(after), &limit]).await
}

async fn paid_twice(db: &Db) -> Result<Vec<String>> {
    let twice: Vec<(OrderId, i64)> = db.all(check::PAID_TWICE, &[]).await?;
    Ok(twice.into_iter().map(|(order, count)| format!("order {order}: paid {count} times")).collect())
}

/// Each charge has its payment. The books are read first: a payment is pending before they change.
async fn books_against_payments(db: &Db, test: &TestGateway, faults: &mut Vec<String>) -> Result<()> {
    let mut after = None;
    loop {
        let entries = test.entries(after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.payment);
        for entry in entries {
            let found = store::payment(db, entry.payment).await?;
            if let Some(fault) = charge_fault(&entry, found.as_ref()) {
                faults.push(format!("payment {}: {fault}", entry.payment));
            }
        }
    }
}

/// What is wrong with an entry of the books, given its payment as it was a moment later.
fn charge_fault(entry: &Entry, payment: Option<&Payment>) -> Option<String> {
    let Some(payment) = payment else {
        return Some("the gateway knows it and payments does not".to_owned());
    };
    if entry.amount != payment.amount {
        return Some(format!("{} at the gateway, {} here", entry.amount, payment.amount));
    }
    let charged = entry.refusal.is_none();
    let back = entry.refunded != Money::from_minor(0);
    let wrong = match payment.status {
        PaymentStatus::Failed if charged => "charged at the gateway, failed here",
        PaymentStatus::Captured | PaymentStatus::Refunded if !charged => "captured here, never charged",
        _ if back && !payment.refund_requested => "given back, and nobody asked for it",
        _ => return None,
    };
    Some(wrong.to_owned())
}

/// Each captured payment has its charge, each refunded one its refund. The books are read last: they
/// change before a payment is captured or refunded.
async fn payments_against_books(
    db: &Db,
    test: Option<&TestGateway>,
    faults: &mut Vec<String>,
) -> Result<i64> {
    let (mut after, mut seen) = (None, 0);
    loop {
        let payments = page(db, after, PAGE).await?;
        let Some(last) = payments.last() else { return Ok(seen) };
        after = Some(last.id);
        for payment in payments {
            seen += 1;
            if !payment.version_is_right() {
                faults.push(format!(
                    "payment {}: {} at version {}",
                    payment.id, payment.status, payment.version
                ));
            }
            let Some(test) = test else { continue };
            let entry = test.entry(payment.id).await?;
            if let Some(fault) = payment_fault(&payment, entry.as_ref()) {
                faults.push(format!("payment {}: {fault}", payment.id));
            }
        }
    }
}

/// What is wrong with a payment, given its entry as it was a moment later.
fn payment_fault(payment: &Payment, entry: Option<&Entry>) -> Option<&'static str> {
    let charged = entry.is_some_and(|entry| entry.refusal.is_none());
    let back = entry.is_some_and(|entry| entry.refunded == payment.amount);
    match payment.status {
        PaymentStatus::Captured | PaymentStatus::Refunded if !charged => Some("captured here, never charged"),
        PaymentStatus::Refunded if !back => Some("refunded here, never given back"),
        PaymentStatus::Failed if charged => Some("charged at the gateway, failed here"),
        _ => None,
    }
}
