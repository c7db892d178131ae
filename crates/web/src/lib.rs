//! What every HTTP handler stands on, so that a service's handlers say only what is theirs.
//!
//! [`stack`] goes around all routes once. It gives each request an id, a log line and its metrics,
//! refuses forged cross-site requests, bounds its time, and renders every failure as `problem+json` or
//! as a page. Handlers take what they need as extractors: [`Session`] and its kin for who is asking,
//! [`Json`], [`Form`] and [`Post`] for what was sent, [`PathId`] and [`Paging`] for what is meant. They
//! answer with [`Result`], whose error is the only place that maps a `kernel::Kind` to a status.

mod accept;
mod address;
mod answer;
mod assets;
mod body;
mod coming;
mod context;
mod cookies;
mod csrf;
mod failure;
mod fields;
mod form_view;
mod gzip;
mod idempotency;
mod json;
mod limit;
mod live;
mod loader;
mod meters;
mod moment;
mod network;
mod openapi;
mod origin;
mod page;
mod paging;
mod path;
mod problem;
mod request_id;
mod revocations;
mod routes;
mod scale;
mod searches;
mod session;
mod sessions;
mod spans;
mod stack;
mod tagged;
#[cfg(test)]
mod testing;
mod turns;
mod verified;
mod web;

pub use address::ClientAddr;
pub use answer::Answer;
pub use assets::{Script, assets};
pub use body::{AtMost, RawBody, read_body};
pub use coming::{Coming, Next};
pub use context::Unhurried;
pub use cookies::cookies;
pub use failure::{Failure, Result};
pub use fields::Fields;
pub use form_view::FormView;
pub use idempotency::{FirstAtWork, Kept, KeyHeader, Once, Post};
pub use json::{Form, Json};
pub use limit::Limiter;
pub use live::{Changes, live, live_many};
pub use loader::Loader;
pub use moment::Moment;
pub use network::Network;
pub use openapi::{About, Documentation, Price, document};
pub use origin::Origin;
pub use page::{Page, grouped, html, html_text, html_with, rendered, safe_next, see_other};
pub use paging::{Paging, Span, list, next};
pub use path::PathId;
pub use problem::Problem;
pub use revocations::Revocations;
pub use routes::Routes;
pub use scale::top_of_scale;
pub use searches::Searches;
pub use session::{ByCookie, MaybeSession, Operator, PageOperator, PageSession, SESSION_LIFETIME, Session};
pub use sessions::Sessions;
pub use stack::stack;
pub use tagged::{IfNoneMatch, PRIVATE, PUBLIC, Tagged};
pub use utoipa_axum::routes;
pub use web::{Config, Web};
