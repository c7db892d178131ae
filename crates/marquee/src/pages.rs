//! The operators' pages of the house: its health and its dead letters. As with health and metrics, any process
//! answers them, for all.

mod health;
mod letters;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;

use crate::report::Inspector;

pub(crate) use health::KEY as HEALTH;

/// The routes of these pages.
pub(crate) fn routes(inspector: Inspector) -> Router {
    Router::new()
        .route("/house", get(health::show))
        .route("/house/live", get(health::live))
        .route("/house/state", get(health::state))
        .route("/house/letters", get(letters::show).post(letters::deliver))
        .with_state(inspector)
}
