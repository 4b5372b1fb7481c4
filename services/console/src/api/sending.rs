//! Messages that somebody wants sent, and texts as anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::Given;
use crate::Console;
use crate::guard::Caller;
use crate::problem::Problem;
use crate::sending::{BULK_MAX, Taken, TakenOrNot, TextWanted, Texted, Wanted};

/// The header by which a request that is made again is known.
const KEY: &str = "idempotency-key";

/// The longest such key.
const KEY_MAX: usize = 255;

/// Many messages.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    /// At most 1000, each as it is sent alone.
    #[schema(value_type = Vec<Wanted>, max_items = 1000)]
    messages: Vec<serde_json::Value>,
}

/// What became of many messages.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkTaken {
    /// Of each, in their order: its id, or the problem with it.
    results: Vec<TakenOrNot>,
}

/// Sends a message.
///
/// Answered once the bus has confirmed that it keeps it. Ask again with the same `Idempotency-Key`, or the same id, until
/// it is: it is sent once. A key is remembered for as long as `console.retention` says, and is of whoever asks: what is
/// asked for with it must be the same each time, to the letter, or it is refused (422). Scope: `send`.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "messages",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same message", pattern = "^[!-~]([ -~]{0,253}[!-~])?$"),
    ),
    request_body = Wanted,
    responses(
        (status = ACCEPTED, body = Taken),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["send"]), ("session" = ["send"])),
)]
pub(super) async fn send(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Given(wanted): Given<Wanted>,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let taken = console.send(&caller, wanted, key(&headers)?).await?;
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

/// Sends many messages, each by itself: one that cannot be sent keeps no other from it.
///
/// Scope: `send`.
#[utoipa::path(
    post,
    path = "/v1/messages/bulk",
    tag = "messages",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same messages, by their places", pattern = "^[!-~]([ -~]{0,253}[!-~])?$"),
    ),
    request_body = Bulk,
    responses(
        (status = OK, body = BulkTaken),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["send"]), ("session" = ["send"])),
)]
pub(super) async fn send_all(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Given(Bulk { messages }): Given<Bulk>,
) -> Result<Json<BulkTaken>, Problem> {
    if BULK_MAX < messages.len() {
        return Err(Problem::unprocessable(format!("messages: at most {BULK_MAX} at once")));
    }
    let results = console.send_all(&caller, messages, key(&headers)?).await?;
    Ok(Json(BulkTaken { results }))
}

/// Texts one of our numbers as anybody, to try what is answered.
///
/// Through the simulator nobody is texted. Straight into the bus, what answers it goes out as the backend is configured.
/// Scope: `send`.
#[utoipa::path(
    post,
    path = "/v1/texts",
    tag = "trying",
    request_body = TextWanted,
    responses(
        (status = ACCEPTED, body = Texted),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["send"]), ("session" = ["send"])),
)]
pub(super) async fn text(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Given(wanted): Given<TextWanted>,
) -> Result<(StatusCode, Json<Texted>), Problem> {
    let texted = console.text(&caller, wanted).await?;
    Ok((StatusCode::ACCEPTED, Json(texted)))
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let is_good = |key: &&str| (1..=KEY_MAX).contains(&key.len()) && !key.contains(char::is_control);
    let key = key.to_str().ok().filter(is_good);
    let told = || Problem::bad_request(format!("Idempotency-Key: must be 1 to {KEY_MAX} visible characters of ASCII"));
    key.map(Some).ok_or_else(told)
}
