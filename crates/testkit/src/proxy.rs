//! The proxy before an installation of several processes: leads each path to a process that serves it, by
//! the table that `marquee routes` prints, in turns where several do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinHandle;

/// The largest request that it passes on.
const BODY: usize = 64 * 1024 * 1024;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A process: the services that it runs (all, if none is named), and where it listens.
type Backend = (Vec<String>, String);

/// Which processes serve what. Shared with whoever starts and stops them.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<RwLock<Vec<Backend>>>);

impl Table {
    /// Sets the addresses of the processes, each with the services that it runs.
    pub(crate) fn set(&self, processes: Vec<Backend>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = processes;
    }

    fn serving(&self, service: Option<&str>) -> Vec<String> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let serves = |services: &[String]| {
            services.is_empty() || service.is_none_or(|wanted| services.iter().any(|s| s == wanted))
        };
        table.iter().filter(|(services, _)| serves(services)).map(|(_, base)| base.clone()).collect()
    }
}

/// A running proxy; it ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Leads {
    /// `None` leads to any process.
    service: Option<String>,
    table: Table,
    turn: Arc<AtomicUsize>,
    client: Client<HttpConnector, Body>,
}

impl Proxy {
    /// Starts on a free port. `routes` is what `marquee routes` prints.
    ///
    /// # Panics
    /// If it does not start.
    pub(crate) async fn start(routes: &serde_json::Value, table: Table) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let leads = |service: Option<&str>| Leads {
            service: service.map(str::to_string),
            table: table.clone(),
            turn: Arc::default(),
            client: client.clone(),
        };
        let mut router = Router::new();
        for entry in routes.as_array().expect("a table") {
            let leads = leads(entry["service"].as_str());
            for path in entry["paths"].as_array().expect("paths") {
                router = router.route(path.as_str().expect("a path"), any(lead).with_state(leads.clone()));
            }
        }
        let router = router.fallback_service(any(lead).with_state(leads(None)));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await.expect("it serves") });
        Self { address, server }
    }

    /// Where it listens.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Passes a request on to the next process in turn, and to another one if that is not there.
async fn lead(
    State(leads): State<Leads>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let backends = leads.table.serving(leads.service.as_deref());
    let turn = leads.turn.fetch_add(1, Ordering::Relaxed);
    for n in 0..backends.len() {
        let base = &backends[(turn + n) % backends.len()];
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let Ok(uri) = format!("{base}{path}").parse::<Uri>() else { break };
        let mut onward = Request::new(Body::from(body.clone()));
        *onward.method_mut() = head.method.clone();
        *onward.uri_mut() = uri;
        *onward.headers_mut() = head.headers.clone();
        onward.headers_mut().remove(header::CONNECTION);
        if let Ok(from) = HeaderValue::from_str(&from.ip().to_string()) {
            onward.headers_mut().append(FORWARDED_FOR, from);
        }
        match leads.client.request(onward).await {
            Ok(answer) => return answer.map(Body::new),
            Err(error) if error.is_connect() => {}
            // It may have been acted on: the client has to ask what became of it.
            Err(_) => break,
        }
    }
    StatusCode::BAD_GATEWAY.into_response()
}
