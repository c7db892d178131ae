//! What runs for the events of each service: its relay, and on NATS the intake of its subscription.

use db::Db;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::relay::relay;
use crate::{Bus, Subscription, intake};

/// A service, as far as events are concerned.
#[derive(Clone)]
pub struct Service {
    db: Db,
    subscription: Option<Subscription>,
}

impl Service {
    /// The service whose database is `db`. `subscription` is its ear, if it has one; on a local bus that bus
    /// has it already.
    pub fn new(db: Db, subscription: Option<Subscription>) -> Self {
        Self { db, subscription }
    }
}

/// Starts what moves the events of these services, on `tasks`: for each its relay, and on NATS the intake of
/// its subscription. All of it ends with `stop`, and gives its leases back.
///
/// `owner` is this process's own name, random and new at each start. Several processes may run the same
/// service on the same database: they share its work.
pub fn run(bus: &Bus, services: Vec<Service>, owner: &str, tasks: &TaskTracker, stop: &CancellationToken) {
    for Service { db, subscription } in services {
        let intake = bus.as_nats().zip(subscription);
        // Where there is an intake, its keeper renews all leases of this process in this database.
        tasks.spawn(relay(db, bus.clone(), owner.to_owned(), intake.is_none(), stop.clone()));
        if let Some((nats, subscription)) = intake {
            intake::start(nats, subscription, owner, tasks, stop);
        }
    }
}
