//! Takes messages to send over the admin listener, for the process that has the embedded bus to itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use messaging::{Bus, Environment, Publisher};
use protocol::BackendName;
use serde_json::json;

use super::Running;
use crate::send::{self, Wanted};

struct Messages {
    backends: Vec<BackendName>,
    publisher: Publisher,
    environment: Environment,
}

/// `POST /messages`: what `tropomq send` asks for.
pub(super) fn router(running: &Running, bus: Arc<dyn Bus>) -> Router {
    let messages = Messages {
        backends: running.settings.backends.keys().cloned().collect(),
        publisher: Publisher::new(bus, send::APP_ID),
        environment: running.environment.clone(),
    };
    Router::new().route("/messages", post(take)).with_state(Arc::new(messages))
}

async fn take(State(messages): State<Arc<Messages>>, chassis::http::Body(body): chassis::http::Body) -> Response {
    let refused = |status: StatusCode, words: String| (status, Json(json!({ "error": words }))).into_response();
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error.to_string()),
    };
    if !messages.backends.contains(&wanted.backend) {
        return refused(StatusCode::NOT_FOUND, format!("there is no backend {}", wanted.backend));
    }
    match wanted.publish(&messages.publisher, &messages.environment).await {
        Ok(id) => (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response(),
        Err(error) => refused(StatusCode::SERVICE_UNAVAILABLE, protocol::chain(&error)),
    }
}
