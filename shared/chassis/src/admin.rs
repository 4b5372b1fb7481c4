//! The endpoints for whoever runs the process: is it alive, is it ready, what does it count, what does it log.

use std::error::Error;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use opentelemetry::global;

use crate::health::Health;
use crate::telemetry::{LogFilter, LogLevels, Metrics, Telemetry};

/// The longest filter that is taken, in bytes.
const FILTER_BYTES_MAX: usize = 4096;

const INDEX: &str = "\
/healthz  200 while the process lives
/readyz   200 when it takes work, 503 when it does not, with the reason of each component
/metrics  what it counts, as Prometheus text
/log      what it logs; PUT a filter such as info,egress=debug to change it, DELETE goes back to the configuration
";

/// `/healthz`, `/readyz`, `/metrics`, `/log`, and `/` that lists them. For a listener of its own, which is not for the
/// world.
pub fn router(health: Health, telemetry: &Telemetry) -> Router {
    let metrics = telemetry.metrics();
    tell_readiness(health.clone());
    let log = get(logged).put(change_log).delete(reset_log);
    Router::new()
        .route("/log", log.layer(DefaultBodyLimit::max(FILTER_BYTES_MAX)).with_state(telemetry.log_levels()))
        .route("/", get(async || INDEX))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(count).with_state(metrics))
}

/// Tells the readiness of this process as a metric as well.
fn tell_readiness(health: Health) {
    global::meter("tropomq")
        .u64_observable_gauge("tropomq.ready")
        .with_description("1 while the process takes work, else 0")
        .with_callback(move |gauge| gauge.observe(health.report().ready.into(), &[]))
        .build();
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn count(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

async fn logged(State(levels): State<LogLevels>) -> String {
    shown(&levels)
}

async fn change_log(State(levels): State<LogLevels>, filter: String) -> Result<String, (StatusCode, String)> {
    let refused = |status, told: &dyn Error| (status, format!("{told}\n"));
    let filter: LogFilter = filter.trim().parse().map_err(|error| refused(StatusCode::BAD_REQUEST, &error))?;
    levels.change(filter).map_err(|error| refused(StatusCode::CONFLICT, &error))?;
    Ok(shown(&levels))
}

async fn reset_log(State(levels): State<LogLevels>) -> Result<String, (StatusCode, String)> {
    levels.reset().map_err(|error| (StatusCode::CONFLICT, format!("{error}\n")))?;
    Ok(shown(&levels))
}

fn shown(levels: &LogLevels) -> String {
    format!("{}\n", levels.current().as_str())
}

#[cfg(test)]
mod tests;
