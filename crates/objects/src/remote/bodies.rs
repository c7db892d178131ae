//! The client that asks for bodies to pass on. It reads no further ahead than a buffer: a viewer who takes little would
//! have as much of a film held for them as there is room for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kernel::{Error, Result};
use tower_http::timeout::TimeoutBody;

use super::{CONNECT, SILENCE, gone};

/// What is read ahead of a body, in bytes.
const AHEAD: usize = 64 * 1024;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Bodies(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Bodies {
    pub(super) fn new() -> Result<Self> {
        use rustls_platform_verifier::ConfigVerifierExt as _;
        let tls = rustls::ClientConfig::with_platform_verifier()
            .map_err(|e| Error::unavailable("cannot check certificates").because(e))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(AHEAD)
            .build(connector);
        Ok(Self(client))
    }

    /// The answer, whose body breaks off if the other end is silent for [`SILENCE`].
    ///
    /// # Errors
    /// `Unavailable` if there is no answer.
    pub(super) async fn ask(&self, request: Request<Empty<Bytes>>) -> Result<Response<Body>> {
        let answer = tokio::time::timeout(SILENCE, self.0.request(request)).await;
        let answer = answer.map_err(gone)?.map_err(gone)?;
        Ok(answer.map(|body| Body::new(TimeoutBody::new(SILENCE, body))))
    }
}
