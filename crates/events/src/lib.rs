//! From the outbox of one service to the handlers of the others.
//!
//! The [relay](run_relay) reads a service's outbox in order and hands batches to the [`Bus`]; the bus
//! brings each event to every [`Subscription`] that listens for its subject, at least once and in order
//! per aggregate; a subscription's effect and its inbox mark are one transaction, so the effect happens
//! once. What a handler cannot take is parked as a dead letter together with what follows it for the
//! same aggregate, and everything else goes on.
//!
//! There are two buses. [`Bus::local`] brings events to the subscriptions of its own process. [`Bus::nats`]
//! puts them into a stream per publishing service, in [`PARTITIONS`] partitions; the processes that run a
//! consuming service share its partitions by leases in that service's database. See ARCHITECTURE.md, "Many
//! processes".

mod at_work;
mod background;
mod bus;
mod consume;
mod delivery;
mod intake;
mod meters;
mod nats;
mod positions;
mod relay;
mod service;
mod spans;

pub use background::{Job, every};
pub use bus::Bus;
pub use consume::{Handler, Replayed, Subscription};
pub use meters::describe_metrics;
pub use nats::{Link, Nats, NatsSettings, PARTITIONS};
pub use relay::run_relay;
pub use service::{Service, run};
