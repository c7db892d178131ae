//! What operators and their machines ask: is it alive, is it ready, how is it doing.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use db::Db;
use events::Nats;
use kernel::{Error, Result};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use storage::Storage;
use streaming::Streaming;
use tokio::time::timeout;
use utoipa::ToSchema;
use web::{Documentation, IfNoneMatch, Routes, Web, routes};

use crate::gauges::Gauges;
use crate::look::Look;
use crate::{House, openapi, telemetry};

/// How long objects are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Operations {
    databases: std::sync::Arc<[Db]>,
    bus: Option<Nats>,
    web: Web,
    films: Films,
    gauges: Gauges,
    metrics: PrometheusHandle,
}

/// The routes of health and metrics.
pub(crate) fn routes(house: &House) -> Result<Router> {
    let state = Operations {
        databases: house.databases().into(),
        bus: house.bus().cloned(),
        web: house.web.clone(),
        films: Films::new(house),
        gauges: Gauges::new(house),
        metrics: telemetry::metrics()?,
    };
    Ok(unserved().with_state(state).into_router())
}

/// What the OpenAPI document says of them.
pub(crate) fn documentation() -> Documentation {
    unserved().documentation()
}

fn unserved() -> Routes<Operations> {
    Routes::new()
        .api(routes!(health))
        .api(routes!(health_for_short))
        .api(routes!(alive))
        .api(routes!(ready))
        .api(routes!(metrics))
        .api(routes!(document))
}

/// How the process is.
#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether requests should be sent here.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ready`, or `degraded`: it answers, and something is missing that it can do without.
    #[schema(example = "ready")]
    status: &'static str,
    /// What is missing.
    #[schema(example = json!([]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<&'static str>,
}

/// Whether the server answers
#[utoipa::path(
    get, path = "/api/health", tag = "operations", operation_id = "health", security(),
    responses((status = 200, description = "It does", body = Health)),
)]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The same, for whoever looks there
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "healthForShort", security(),
    responses((status = 200, description = "It does", body = Health)),
)]
async fn health_for_short() -> Json<Health> {
    health().await
}

/// Whether the process is alive
///
/// If this fails, restart it.
#[utoipa::path(
    get, path = "/livez", tag = "operations", operation_id = "livez", security(),
    responses((status = 200, description = "It is", body = Health)),
)]
async fn alive() -> Json<Health> {
    health().await
}

/// The OpenAPI document
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "operations", operation_id = "openapi", security(),
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object, example = json!({"openapi": "3.1.0"})),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
    ),
)]
async fn document(known: IfNoneMatch) -> web::Result<Response> {
    Ok(openapi::tagged()?.answer(&known, web::PUBLIC))
}

/// Whether requests should be sent here
///
/// Ready if every database answers and the revoked sessions are known. Without the bus this process goes on
/// answering, which is better than none; it says so, for it cannot hear of sessions that end meanwhile. Without objects
/// it sells and admits as ever, and says that no video can be watched.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "readyz", security(),
    responses((status = 200, description = "They should", body = Readiness)),
)]
async fn ready(State(operations): State<Operations>) -> web::Result<Json<Readiness>> {
    for db in operations.databases.iter() {
        db.ping().await.map_err(|e| Error::unavailable(format!("{} is away", db.name())).because(e))?;
    }
    let revocations = operations.web.revocations();
    if !revocations.is_learned() {
        Err(Error::unavailable("which sessions have ended is not known yet"))?;
    }
    let mut missing = Vec::new();
    if operations.bus.is_some() && !revocations.is_hearing() {
        missing.push("events: sessions that end elsewhere are not heard of");
    }
    if !operations.films.are_there().await {
        missing.push("objects: no video can be watched or uploaded");
    }
    let status = if missing.is_empty() { "ready" } else { "degraded" };
    Ok(Json(Readiness { status, missing }))
}

/// What videos need beside databases: the directory or the bucket, or the process that has it. Clones are the same one.
#[derive(Clone)]
struct Films {
    storage: Option<Storage>,
    streaming: Option<Streaming>,
    look: Look<bool>,
}

impl Films {
    fn new(house: &House) -> Self {
        let storage = house.storage().cloned();
        let streaming = house.streaming().ok().filter(|_| storage.is_none()).cloned();
        Self { storage, streaming, look: Look::default() }
    }

    /// Whether what this process reads from answers, in time. All who ask share one look.
    async fn are_there(&self) -> bool {
        let look = async {
            match (&self.storage, &self.streaming) {
                (Some(storage), _) => storage.ping().await,
                (None, Some(streaming)) => streaming.ping().await,
                (None, None) => Ok(()),
            }
        };
        let look = async {
            let late = |_| Error::unavailable("it did not answer in time");
            let said = timeout(PATIENCE, look).await.map_err(late).flatten();
            if let Err(error) = &said {
                tracing::warn!(error = ?error, "objects are away");
            }
            said.is_ok()
        };
        self.look.share(look).await
    }
}

/// Metrics for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics", security(),
    responses((status = 200, description = "In Prometheus's text format", body = String, content_type = "text/plain",
               example = "dead_letters{service=\"orders\"} 0\n")),
)]
async fn metrics(State(operations): State<Operations>) -> web::Result<Response> {
    operations.gauges.refresh().await;
    let text = operations.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
