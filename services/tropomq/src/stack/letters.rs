//! Carries out what `tropomq dead` asks for, for the process that has the embedded bus to itself.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chassis::config::ConfigError;
use chassis::shutdown::Shutdown;
use futures::{Stream, StreamExt, stream};
use messaging::dead::{self, Order, Told};
use messaging::{Bus, Environment};
use serde_json::json;
use tokio::sync::mpsc;
use tropo::ticket::Keyring;

use super::Running;
use crate::dead::asked;

/// What is told waits here while it is sent.
const TOLD_MAX: usize = 64;

#[derive(Clone)]
struct Letters {
    bus: Arc<dyn Bus>,
    environment: Environment,
    keyring: Keyring,
    shutdown: Shutdown,
}

/// `POST /dead`: a sealed order, answered with what is told, one JSON object a line.
///
/// # Errors
/// There is no key to open orders with.
pub(super) fn router(running: &Running, bus: Arc<dyn Bus>) -> Result<Router, ConfigError> {
    let (environment, shutdown) = (running.environment.clone(), running.tasks.shutdown().clone());
    let letters = Letters { bus, environment, keyring: running.keyring()?, shutdown };
    Ok(Router::new().route("/dead", post(carry_out)).with_state(letters))
}

async fn carry_out(
    State(letters): State<Letters>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    chassis::http::Body(body): chassis::http::Body,
) -> Response {
    if let Err(refusal) = of_this_machine(peer, &headers) {
        return refusal;
    }
    let sealed: String = match serde_json::from_slice(&body) {
        Ok(sealed) => sealed,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match asked::open(&sealed, &letters.keyring, &letters.environment) {
        Ok(order) => {
            let lines = told(letters, order).map(Ok::<Bytes, Infallible>);
            ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
        }
        Err(error) => {
            let words = format!(
                "it is not sealed with the key of this process, which ticket.keys or ticket.key_file \
                                 has: {error}"
            );
            refused(StatusCode::FORBIDDEN, &words)
        }
    }
}

/// The work itself: it goes on as far as somebody reads, and ends when nobody does, or with the process.
fn told(
    Letters { bus, environment, shutdown, .. }: Letters,
    order: Order,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let (sender, receiver) = mpsc::channel(TOLD_MAX);
    let work = async move { dead::work(&*bus, &environment, &order, shutdown.token(), sender).await };
    let working = stream::once(work).filter_map(async |()| None);
    let lines = stream::unfold(receiver, async |mut receiver| Some((line(&receiver.recv().await?), receiver)));
    stream::select(working, lines)
}

fn line(told: &Told) -> Bytes {
    // Nothing that is told can fail to be written.
    let mut line = serde_json::to_vec(told).unwrap_or_default();
    line.push(b'\n');
    line.into()
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
fn of_this_machine(peer: SocketAddr, headers: &HeaderMap) -> Result<(), Response> {
    if peer.ip().to_canonical().is_loopback() && !is_of_a_page(headers) {
        return Ok(());
    }
    let words = "it is taken as application/json from this machine alone, at its loopback address";
    Err(refused(StatusCode::FORBIDDEN, words))
}

/// The answer to what cannot be done; the command line prints its words.
fn refused(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}
