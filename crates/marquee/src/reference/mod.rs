//! `/docs`: the reference of the API, to be read in a browser. It is made from the OpenAPI document alone, by the
//! server, and needs nothing from elsewhere.

mod model;
mod prose;
mod schema;

use std::sync::LazyLock;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use kernel::Result;
use web::{MaybeSession, Page, Web};

use crate::{Service, openapi};
use model::Reference;
use prose::Span;

/// Read when it is first asked for.
static REFERENCE: LazyLock<Result<Reference>> = LazyLock::new(reference);

fn reference() -> Result<Reference> {
    let order: Vec<String> = Service::ALL.into_iter().flat_map(Service::paths).collect();
    Ok(Reference::of(openapi::value()?, &order))
}

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage<'a> {
    page: Page,
    reference: &'a Reference,
    /// Where this installation is, for the lines to copy.
    base: String,
}

/// The page.
pub(crate) fn routes(web: &Web) -> Router {
    Router::new().route("/docs", get(show)).with_state(web.clone())
}

async fn show(
    State(web): State<Web>,
    MaybeSession(session): MaybeSession,
    headers: HeaderMap,
) -> web::Result<Response> {
    let reference = REFERENCE.as_ref().map_err(Clone::clone)?;
    let page = Page::new(&web, session.as_ref(), "API", "/docs");
    Ok(web::html(&ReferencePage { page, reference, base: base(&web, &headers) }))
}

/// The address that the reader has used, or the one that is configured.
fn base(web: &Web, headers: &HeaderMap) -> String {
    let is_host = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(is_host);
    let scheme = if web.sessions().cookie_name().starts_with("__Host-") { "https" } else { "http" };
    match web.public_url() {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("{scheme}://{}", host.unwrap_or("localhost:3333")),
    }
}

#[cfg(test)]
mod tests;
