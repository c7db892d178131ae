//! A collector of our own: takes spans over OTLP as a real one does, and lets a test look at them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest message that it takes.
const LARGEST: usize = 16 * 1024 * 1024;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub trace: String,
    pub span: String,
    /// Empty for a root.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// Which process made it, and what it says of itself.
    pub resource: BTreeMap<String, String>,
}

impl Seen {
    /// What a test calls it: its name, and who processes an event.
    pub fn what(&self) -> String {
        match self.attributes.get("messaging.consumer.group.name") {
            Some(consumer) => format!("{} by {consumer}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A running collector; it ends when it is dropped.
pub struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Collector {
    pub async fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&seen));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that arrived.
    pub fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What arrived of one trace.
    pub fn of(&self, trace: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|span| span.trace == trace).collect()
    }
}

async fn take(
    State(seen): State<Arc<Mutex<Vec<Seen>>>>,
    headers: axum::http::HeaderMap,
    body: Body,
) -> Result<Vec<u8>, StatusCode> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/x-protobuf") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = to_bytes(body, LARGEST).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let request = ExportTraceServiceRequest::decode(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    for of_process in request.resource_spans {
        let resource = texts(of_process.resource.map(|r| r.attributes).unwrap_or_default());
        for span in of_process.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let seen_span = Seen {
                trace: hex(&span.trace_id),
                span: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind(),
                failed: span.status.is_some_and(|status| status.code == 2),
                name: span.name,
                attributes: texts(span.attributes),
                resource: resource.clone(),
            };
            seen.lock().unwrap().push(seen_span);
        }
    }
    Ok(ExportTraceServiceResponse::default().encode_to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter().map(|pair| {
        let value = pair.value.and_then(|value| value.value);
        (pair.key, value.map(text).unwrap_or_default())
    });
    pairs.collect()
}

/// Says what is amiss with the spans of a trace that is to be one tree below a span elsewhere, the `root`.
pub fn faults(spans: &[Seen], root: &str) -> Vec<String> {
    let known: BTreeSet<&str> = spans.iter().map(|span| span.span.as_str()).collect();
    let mut faults = Vec::new();
    if spans.is_empty() {
        faults.push("there is no span".to_owned());
    }
    if known.len() != spans.len() {
        faults.push("a span arrived twice".to_owned());
    }
    let parents: BTreeMap<&str, &str> =
        spans.iter().map(|span| (span.span.as_str(), span.parent.as_str())).collect();
    for span in spans {
        // Upwards, in no more steps than there are spans.
        let mut at = span.span.as_str();
        for _ in 0..spans.len() {
            at = parents.get(at).copied().unwrap_or(at);
        }
        if at != root {
            faults.push(format!("{} does not hang together with the root: it ends at {at:?}", span.what()));
        }
        if span.trace != spans[0].trace {
            faults.push(format!("{} is of another trace", span.what()));
        }
    }
    faults
}
