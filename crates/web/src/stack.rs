//! What goes around every route, in one place and in order: request id, log line and metrics outermost;
//! then the rendering of problems and the security headers; then what refuses or bounds a request.
//!
//! It is one middleware and not a dozen layers, since each of those costs every request an allocation.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;

use crate::context::Context;
use crate::page::{Page, error_page};
use crate::problem::Problem;
use crate::request_id::{X_REQUEST_ID, request_id};
use crate::web::Web;
use crate::{accept, csrf, gzip, spans};

/// Within this time an answer has begun, or it is a 503. What streams afterwards may take longer.
const BOUND: Duration = Duration::from_secs(60);

/// Puts everything that all routes share around `routes`. Those added afterwards are not covered.
pub fn stack(routes: impl Into<Router>, web: &Web) -> Router {
    routes.into().layer(from_fn_with_state(web.clone(), around))
}

async fn around(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let context = Context::new(web, request_id(request.headers()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let given = spans::given(request.headers());
    let span = spans::of_request(given, &method, route.as_ref());
    let log = spans::of_log(context.request_id_text(), given, &span);
    request.extensions_mut().insert(context.clone());
    let answered = async move {
        let under_way = context.web().meters().request();
        let mut response = answer(&context, request, next).await;
        drop(under_way);
        response.headers_mut().insert(X_REQUEST_ID, context.request_id().clone());
        record(&context, &method, route.as_ref(), response.status(), started.elapsed());
        response
    };
    let response = span.around(answered).instrument(log).await;
    spans::end(span, response.status());
    response
}

/// The log line and the metrics. Never the query string: it may carry what is nobody's business.
fn record(
    context: &Context,
    method: &Method,
    route: Option<&MatchedPath>,
    status: StatusCode,
    took: Duration,
) {
    // A path without a route is the client's invention: as a label it would be a series of its own.
    let route = route.map_or("unmatched", MatchedPath::as_str);
    context.web().meters().record(method, route, status, took);
    tracing::info!(
        %method,
        route,
        status = status.as_u16(),
        // To the microsecond: more digits tell nothing.
        ms = took.as_micros() as f64 / 1000.0,
        user = context.known_session().map(|session| tracing::field::display(session.user)),
        "answered"
    );
}

async fn answer(context: &Context, request: Request, next: Next) -> Response {
    let zip = gzip::wanted(request.headers());
    let page = accept::wants_page(request.headers()).then(|| error_page_of(context, &request));
    let mut response =
        if csrf::is_allowed(request.method(), request.uri(), request.headers(), context.web().public_url()) {
            bounded(context, request, next).await
        } else {
            Problem::new(StatusCode::FORBIDDEN, "Cross-site request refused").into_response()
        };
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        response = rendered(response, page, context.request_id_text());
    }
    secure(response.headers_mut());
    match zip {
        Some(accept) => gzip::compress(accept, response).await,
        None => response,
    }
}

/// Runs the handler. A panic is a 500 and takes nothing else with it.
async fn bounded(context: &Context, request: Request, next: Next) -> Response {
    let mut run = pin!(AssertUnwindSafe(next.run(request)).catch_unwind());
    let outcome = match timeout(BOUND, &mut run).await {
        Ok(outcome) => outcome,
        Err(_) if context.is_unhurried() => run.await,
        Err(_) => {
            tracing::error!("a request took too long");
            return Problem::bare(StatusCode::SERVICE_UNAVAILABLE)
                .after(Duration::from_secs(1))
                .into_response();
        }
    };
    outcome.unwrap_or_else(|panic| {
        tracing::error!(panic = panic_text(&*panic), "a handler panicked");
        Problem::bare(StatusCode::INTERNAL_SERVER_ERROR).into_response()
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

/// The frame of an error page, made before the request is gone.
fn error_page_of(context: &Context, request: &Request) -> Page {
    let session = context.session(request.headers());
    Page::new(context.web(), session, String::new(), request.uri().path())
}

/// A failure in the shape that was asked for. One that a library made, or nobody (no such route, no such
/// method), becomes a problem as well; one with a body of its own stays as it is.
fn rendered(mut response: Response, page: Option<Page>, request_id: &str) -> Response {
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_unspoken(response.headers()) => {
            let problem = Problem::bare(response.status());
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            let (told, body) = problem.clone().into_response().into_parts();
            parts.headers.extend(told.headers);
            response = Response::from_parts(parts, body);
            problem
        }
        None => return response,
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    let Some(page) = page else { return response };
    let page = Page { title: problem.title().to_owned(), ..page };
    if let Some(text) = error_page(&problem, page, request_id) {
        *response.body_mut() = Body::from(text);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    response
}

/// Whether nobody has said anything but a status, or at most a plain sentence as libraries do.
fn is_unspoken(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|t| t.as_bytes().starts_with(b"text/plain"))
}

/// Only what we serve ourselves is run, shown or sent to, whatever gets into a page. A `blob:` is a file that its reader
/// has chosen: the page of an upload looks at it for a picture.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; style-src 'self'; \
                      script-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'";

const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// A handler that has set one of these knows better.
fn secure(headers: &mut HeaderMap) {
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests;
