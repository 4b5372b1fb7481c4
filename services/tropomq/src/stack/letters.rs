//! Carries out what `tropomq dead` asks for, for the process that has the embedded bus to itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chassis::config::ConfigError;
use chassis::shutdown::Shutdown;
use futures::{Stream, StreamExt, stream};
use messaging::dead::{self, Order, Told};
use messaging::{Bus, Environment};
use tokio::sync::mpsc;
use tropo::ticket::Keyring;

use super::{Running, messages};
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
    if let Err(refusal) = messages::of_this_machine(peer, &headers) {
        return refusal;
    }
    let sealed: String = match serde_json::from_slice(&body) {
        Ok(sealed) => sealed,
        Err(error) => return messages::refused(StatusCode::BAD_REQUEST, &error.to_string()),
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
            messages::refused(StatusCode::FORBIDDEN, &words)
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
