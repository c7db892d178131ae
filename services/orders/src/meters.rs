//! How the sale goes, in numbers: what is counted of orders once it is durable.

use std::sync::LazyLock;

use contracts::OrderStatus;
use db::Tx;
use metrics::{Counter, counter, describe_counter};

use crate::model::{Order, Step};

/// What an order may become, each a series of its own.
const STATUSES: [OrderStatus; 4] =
    [OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Complete, OrderStatus::Cancelled];

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    describe_counter!("orders_total", "Orders that became this, by status.");
    describe_counter!(
        "admissions_issued_total",
        "Admissions of orders that became complete, one for each unit."
    );
    Meters {
        orders: STATUSES.map(|status| counter!("orders_total", "status" => status.to_string())),
        issued: counter!("admissions_issued_total"),
    }
});

struct Meters {
    /// In the order of [`STATUSES`].
    orders: [Counter; STATUSES.len()],
    issued: Counter,
}

/// Has the series begin at zero. The recorder has to be installed before.
pub(crate) fn begin() {
    LazyLock::force(&METERS);
}

/// What one transaction does to orders.
#[derive(Default, PartialEq)]
pub(crate) struct Tally {
    orders: [u64; STATUSES.len()],
    issued: u64,
}

impl Tally {
    /// New orders.
    pub(crate) fn created(&mut self, count: usize) {
        self.became(OrderStatus::Created, count);
    }

    /// A step that follows for `order`.
    pub(crate) fn step(&mut self, order: &Order, step: &Step) {
        if step.next.status != order.status {
            self.became(step.next.status, 1);
        }
        if step.admits {
            self.issued += order.quantity.unsigned_abs();
        }
    }

    fn became(&mut self, status: OrderStatus, count: usize) {
        for (known, sum) in STATUSES.iter().zip(&mut self.orders) {
            if *known == status {
                *sum += count as u64;
            }
        }
    }

    /// Counts it once `tx` is durable.
    pub(crate) fn count(self, tx: &Tx) {
        if self == Self::default() {
            return;
        }
        tx.after_commit(move || {
            for (counter, sum) in METERS.orders.iter().zip(self.orders) {
                if sum > 0 {
                    counter.increment(sum);
                }
            }
            if self.issued > 0 {
                METERS.issued.increment(self.issued);
            }
        });
    }
}
