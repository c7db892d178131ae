//! Ids in paths. One that is not well formed names nothing, so it is a 404 like any other unknown id.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use kernel::Error;

use crate::failure::Failure;

/// The path parameter `id` (the last one if there are several), as the typed id that it has to be:
/// `PathId<TicketId>`.
#[derive(Debug, Clone, Copy)]
pub struct PathId<I>(pub I);

impl<I: FromStr, S: Send + Sync> FromRequestParts<S> for PathId<I> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::not_found())?;
        let id = params.iter().filter(|(name, _)| *name == "id").last().and_then(|(_, id)| id.parse().ok());
        id.map(Self).ok_or_else(|| Failure(Error::not_found()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, send, served, status_and_body, web};
    use axum::{Router, routing};
    use kernel::TicketId;

    #[tokio::test]
    async fn a_malformed_id_is_not_found() {
        let (web, clock) = web();
        let app = || {
            let show = |PathId(id): PathId<TicketId>| async move { id.to_string() };
            served(
                Router::new().route("/t/{id}", routing::get(show)).route("/none", routing::get(show)),
                &web,
            )
        };
        let id = TicketId::new(&clock);
        let (status, body) = status_and_body(app(), get(&format!("/t/{id}"), &[])).await;
        assert_eq!((status.as_u16(), body), (200, id.to_string()));
        for path in ["/t/1", "/t/%FF", "/t/%00", "/none"] {
            assert_eq!(send(app(), get(path, &[])).await.status(), 404, "{path}");
        }
    }
}
