//! Orders: a buyer holds capacity of a ticket for a while, pays, and is admitted.
//!
//! This service owns capacity. It decides who gets the last unit ([`Orders::reserve`]), and what money
//! does that arrives late ([`model`]).

mod acts;
mod api;
mod bodies;
mod code;
mod depart;
mod events;
mod jobs;
mod meters;
pub mod model;
mod pages;
mod reserve;
mod store;
pub mod verify;
mod views;

use std::sync::Arc;
use std::time::Duration;

use ::events::{Job, Subscription};
use db::{Db, Lane, Migration};
use tokio::sync::Notify;
use web::{Documentation, Routes, Web};

pub use model::{Admission, Order, Sale};
pub use reserve::{Guard, Reserve};

/// This service's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") },
    Migration { name: "0002_sales", sql: include_str!("../migrations/0002_sales.sql") },
    Migration { name: "0003_watched", sql: include_str!("../migrations/0003_watched.sql") },
];

/// What an installation may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a hold lasts.
    pub hold: Duration,
    /// The highest quantity of one order.
    pub max_per_order: i64,
    /// Always [`Guard::On`], except in a test that shows what happens without it.
    pub guard: Guard,
}

impl Default for Settings {
    /// Fifteen minutes, ten units (contract, Orders).
    fn default() -> Self {
        Self { hold: Duration::from_secs(900), max_per_order: 10, guard: Guard::On }
    }
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Orders(Arc<Inner>);

struct Inner {
    db: Db,
    web: Web,
    settings: Settings,
    lane: Lane<reserve::Waiting, Order>,
    /// Rung when the copy of a ticket has changed.
    copies: Arc<Notify>,
}

impl Orders {
    /// The service on its database, which is open and migrated. Starts the lane of reservations on the
    /// current runtime.
    pub fn new(db: Db, web: Web, settings: Settings) -> Self {
        meters::begin();
        let lane = reserve::lane(&db, &settings);
        Self(Arc::new(Inner { db, web, settings, lane, copies: Arc::default() }))
    }

    /// Its JSON calls and pages.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Orders::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<String> {
        routes().paths().to_vec()
    }

    /// What the OpenAPI document says of [`Orders::routes`].
    pub fn documentation() -> Documentation {
        routes().documentation()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }

    /// Its work in the background.
    pub fn jobs(&self) -> Vec<Job> {
        vec![jobs::date(self)]
    }
}

fn routes() -> Routes<Orders> {
    api::routes().merge(pages::routes())
}

#[cfg(test)]
mod tests;
