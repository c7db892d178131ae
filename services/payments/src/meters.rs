//! Money in numbers: what is counted of payments once it is durable, and what waits.

use std::sync::LazyLock;
use std::time::Duration;

use contracts::PaymentStatus;
use db::Tx;
use kernel::Result;
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::model::Payment;
use crate::{Payments, store};

/// What a payment may become, each a series of its own.
const STATUSES: [PaymentStatus; 4] =
    [PaymentStatus::Pending, PaymentStatus::Captured, PaymentStatus::Refunded, PaymentStatus::Failed];

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    describe_counter!("payments_total", "Payments that became this, by status.");
    describe_counter!(
        "payments_amount_total",
        "What they came to, in the currency's minor units, by status."
    );
    describe_histogram!("gateway_seconds", Unit::Seconds, "Time that the gateway took, by outcome.");
    describe_gauge!(
        "payments_pending",
        "Payments whose outcome is not known; more than 10,000 are not counted."
    );
    describe_gauge!("payments_pending_oldest_seconds", Unit::Seconds, "Age of the oldest of them.");
    describe_gauge!(
        "refunds_pending",
        "Refunds that are asked for and not done; more than 10,000 are not counted."
    );
    Meters {
        payments: STATUSES.map(|status| Series {
            count: counter!("payments_total", "status" => status.to_string()),
            amount: counter!("payments_amount_total", "status" => status.to_string()),
        }),
        answered: histogram!("gateway_seconds", "outcome" => "answered"),
        failed: histogram!("gateway_seconds", "outcome" => "failed"),
    }
});

struct Meters {
    /// In the order of [`STATUSES`].
    payments: [Series; STATUSES.len()],
    answered: Histogram,
    failed: Histogram,
}

struct Series {
    count: Counter,
    amount: Counter,
}

/// Has the series begin at zero. The recorder has to be installed before.
pub(crate) fn begin() {
    LazyLock::force(&METERS);
}

/// Counts what `payment` has become once `tx` is durable.
pub(crate) fn became(tx: &Tx, payment: &Payment) {
    let (status, amount) = (payment.status, payment.amount.minor().unsigned_abs());
    tx.after_commit(move || {
        for (known, series) in STATUSES.iter().zip(&METERS.payments) {
            if *known == status {
                series.count.increment(1);
                series.amount.increment(amount);
            }
        }
    });
}

/// Records how long the gateway took to answer, or not to.
pub(crate) fn asked(answered: bool, took: Duration) {
    let seconds = if answered { &METERS.answered } else { &METERS.failed };
    seconds.record(took);
}

impl Payments {
    /// Brings those metrics up to date that are read rather than counted: what is pending.
    ///
    /// # Errors
    /// As the database says.
    pub async fn observe(&self) -> Result<()> {
        let (pending, oldest, refunds) = store::pending(&self.0.db).await?;
        let age = oldest.map_or(0.0, |at| at.until(self.0.web.clock().now()).as_secs_f64());
        gauge!("payments_pending").set(pending as f64);
        gauge!("payments_pending_oldest_seconds").set(age);
        gauge!("refunds_pending").set(refunds as f64);
        Ok(())
    }
}
