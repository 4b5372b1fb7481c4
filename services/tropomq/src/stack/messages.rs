//! Takes messages to send over the admin listener, for the process that has the embedded bus to itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
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

/// A web page that somebody on this machine looks at can post here as well. Its browser lets it do so only as plain
/// text or under the name of its own server, so neither is taken.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let json = header(header::CONTENT_TYPE).starts_with("application/json");
    let host = header(header::HOST);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !json || !local
}

/// Whether somebody on this machine asks, and no page in a browser.
///
/// # Errors
/// The answer to anybody else.
#[expect(clippy::result_large_err, reason = "it is the answer, once")]
pub(super) fn of_this_machine(peer: SocketAddr, headers: &HeaderMap) -> Result<(), Response> {
    if peer.ip().to_canonical().is_loopback() && !is_of_a_page(headers) {
        return Ok(());
    }
    let words = "it is taken as application/json from this machine alone, at its loopback address";
    Err(refused(StatusCode::FORBIDDEN, words))
}

/// The answer to what cannot be done; the command line prints its words.
pub(super) fn refused(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

async fn take(
    State(messages): State<Arc<Messages>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    chassis::http::Body(body): chassis::http::Body,
) -> Response {
    if let Err(refusal) = of_this_machine(peer, &headers) {
        return refusal;
    }
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if !messages.backends.contains(&wanted.backend) {
        return refused(StatusCode::NOT_FOUND, &format!("there is no backend {}", wanted.backend));
    }
    match wanted.publish(&messages.publisher, &messages.environment).await {
        Ok(id) => (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response(),
        Err(error) => refused(StatusCode::SERVICE_UNAVAILABLE, &protocol::chain(&error)),
    }
}
