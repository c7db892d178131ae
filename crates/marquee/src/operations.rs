//! What operators and their machines ask: is it alive, is it ready, how is it doing.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use db::Db;
use kernel::{Error, Result};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::{House, telemetry};

#[derive(Clone)]
struct Operations {
    databases: std::sync::Arc<[Db]>,
    metrics: PrometheusHandle,
}

/// The routes of health and metrics.
pub(crate) fn routes(house: &House) -> Result<Router> {
    let state = Operations { databases: house.databases().into(), metrics: telemetry::metrics()? };
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

async fn ready(State(operations): State<Operations>) -> web::Result<Response> {
    for db in operations.databases.iter() {
        db.ping().await.map_err(|e| Error::unavailable(format!("{} is away", db.name())).because(e))?;
    }
    Ok((StatusCode::OK, Json(json!({"status": "ready"}))).into_response())
}

async fn metrics(State(operations): State<Operations>) -> web::Result<Response> {
    for db in operations.databases.iter() {
        let (waiting, since) = db.outbox_lag().await?;
        let age = since.map_or(0.0, |at| at.until(db.clock().now()).as_secs_f64());
        metrics::gauge!("outbox_waiting", "service" => db.name()).set(waiting as f64);
        metrics::gauge!("outbox_oldest_seconds", "service" => db.name()).set(age);
        metrics::gauge!("dead_letters", "service" => db.name()).set(db.count_dead_letters().await? as f64);
    }
    operations.metrics.run_upkeep();
    let text = operations.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
