//! What operators and their machines ask: is it alive, is it ready, how is it doing.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use db::Db;
use events::Nats;
use kernel::{Error, Result};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use web::Web;

use crate::{House, telemetry};

#[derive(Clone)]
struct Operations {
    databases: std::sync::Arc<[Db]>,
    bus: Option<Nats>,
    web: Web,
    metrics: PrometheusHandle,
}

/// The routes of health and metrics.
pub(crate) fn routes(house: &House) -> Result<Router> {
    let state = Operations {
        databases: house.databases().into(),
        bus: house.bus().cloned(),
        web: house.web.clone(),
        metrics: telemetry::metrics()?,
    };
    Ok(Router::new()
        .route("/api/health", get(health))
        .route("/health", get(health))
        .route("/livez", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state))
}

async fn health() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// Ready if every database answers and the revoked sessions are known. Without the bus this process goes on
/// answering, which is better than none; it says so, for it cannot hear of sessions that end meanwhile.
async fn ready(State(operations): State<Operations>) -> web::Result<Response> {
    for db in operations.databases.iter() {
        db.ping().await.map_err(|e| Error::unavailable(format!("{} is away", db.name())).because(e))?;
    }
    let revocations = operations.web.revocations();
    if !revocations.is_learned() {
        Err(Error::unavailable("which sessions have ended is not known yet"))?;
    }
    if operations.bus.is_some() && !revocations.is_hearing() {
        let deaf = json!({"status": "degraded", "missing": ["events: sessions that end elsewhere are not heard of"]});
        return Ok((StatusCode::OK, Json(deaf)).into_response());
    }
    Ok((StatusCode::OK, Json(json!({"status": "ready"}))).into_response())
}

async fn metrics(State(operations): State<Operations>) -> web::Result<Response> {
    for db in operations.databases.iter() {
        let up = gauge(db).await;
        if let Err(error) = &up {
            // The metrics of an outage are the ones that are wanted most.
            tracing::debug!(db = db.name(), ?error, "its own figures are not to be had");
        }
        metrics::gauge!("database_up", "service" => db.name()).set(f64::from(u8::from(up.is_ok())));
    }
    operations.metrics.run_upkeep();
    let text = operations.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Sets what has to be asked of a database.
async fn gauge(db: &Db) -> Result<()> {
    let (waiting, since) = db.outbox_lag().await?;
    let age = since.map_or(0.0, |at| at.until(db.clock().now()).as_secs_f64());
    metrics::gauge!("outbox_waiting", "service" => db.name()).set(waiting as f64);
    metrics::gauge!("outbox_oldest_seconds", "service" => db.name()).set(age);
    metrics::gauge!("dead_letters", "service" => db.name()).set(db.count_dead_letters().await? as f64);
    Ok(())
}
