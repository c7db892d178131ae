//! The span of a request, for whoever collects traces, and the one that its log lines stand in. They carry the same
//! ids.

use std::borrow::Cow;

use axum::extract::MatchedPath;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use kernel::Trace;
use traces::{About, KeyValue, Kind, Span};

use crate::meters::label;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What looks at the house every few seconds tells nothing by a trace of each look.
const LOOKS: [&str; 5] = ["/api/health", "/health", "/livez", "/readyz", "/metrics"];

/// The trace that a request says it belongs to, if it says so in a sane way.
pub(crate) fn given(headers: &HeaderMap) -> Trace {
    let text = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    text.map_or(Trace::NONE, Trace::parse)
}

/// Begins a request's span: a part of the trace that it was sent in, or a trace of its own. As OpenTelemetry's
/// conventions for HTTP have it, the name is that of the route and not of the path, of which there are too many.
pub(crate) fn of_request(given: Trace, method: &Method, route: Option<&MatchedPath>) -> Span {
    let route = route.map(MatchedPath::as_str);
    if given.is_none() && route.is_some_and(|route| LOOKS.contains(&route)) {
        return Span::NONE;
    }
    Span::after(given, || {
        let method = match label(method) {
            "OTHER" => "_OTHER",
            method => method,
        };
        let mut attributes = vec![KeyValue::new("http.request.method", method)];
        let name = match route {
            Some(route) => {
                attributes.push(KeyValue::new("http.route", route.to_owned()));
                Cow::Owned(format!("{method} {route}"))
            }
            None if method == "_OTHER" => "HTTP".into(),
            None => method.into(),
        };
        About { kind: Kind::Server, name, attributes }
    })
}

/// The span of a request's log lines. A traced one is at the highest level, so that what is logged within it has its
/// ids, however little is logged.
pub(crate) fn of_log(id: &str, given: Trace, span: &Span) -> tracing::Span {
    let here = span.trace();
    if !here.is_none() {
        return tracing::error_span!("request", id, trace_id = %here.trace_id(), span_id = %here.span_id());
    }
    if !given.is_none() {
        return tracing::error_span!("request", id, trace_id = %given.trace_id());
    }
    tracing::info_span!("request", id)
}

/// Ends a request's span with what was answered. What the client did wrong is no error of ours.
pub(crate) fn end(span: Span, status: StatusCode) {
    span.tell("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.tell("error.type", status.as_str().to_owned());
        span.fail();
    }
    span.end();
}
