//! The endpoints for whoever runs the process: is it alive, is it ready, what does it count.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use crate::health::Health;
use crate::telemetry::Metrics;

const INDEX: &str = "\
/healthz  200 while the process lives
/readyz   200 when it takes work, 503 when it does not, with the reason of each component
/metrics  what it counts, as Prometheus text
";

/// `/healthz`, `/readyz`, `/metrics`, and `/` that lists them. For a listener of its own, which is not for the world.
pub fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(count).with_state(metrics))
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn count(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

#[cfg(test)]
mod tests;
