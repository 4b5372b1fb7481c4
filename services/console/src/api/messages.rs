//! Texts and messages: listed, searched, exported and looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use utoipa::IntoParams;

use super::asked::{Asked, Named};
use crate::Console;
use crate::export::Format;
use crate::guard::Caller;
use crate::log::{Found, Listed, Query};
use crate::problem::Problem;

/// Texts and messages, the newest first.
///
/// Scope: `read`; numbers and words are masked without `people`.
#[utoipa::path(
    get,
    path = "/v1/messages",
    tag = "messages",
    params(Query),
    responses((status = OK, body = Listed), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(query): Asked<Query>,
) -> Result<Json<Listed>, Problem> {
    console.log_page(&caller, &query).await.map(Json)
}

/// How an export is written.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by its name")]
struct Exported {
    /// `csv`, or `jsonl`: a JSON object on each line.
    #[param(pattern = "^(csv|jsonl)$", example = "csv")]
    format: Option<String>,
}

/// Everything that a search finds, as a file: CSV, or a JSON object on each line.
///
/// Scope: `read`; numbers and words are masked without `people`. `limit` is of no account. Where the database fails
/// meanwhile the answer is cut off.
#[utoipa::path(
    get,
    path = "/v1/messages/export",
    tag = "messages",
    params(Exported, Query),
    responses(
        (status = OK, content((String = "text/csv"), (String = "application/jsonl"))),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn export(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(mut asked): Asked<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let format = Format::read(asked.remove("format").as_deref().unwrap_or("csv"))?;
    let asked = asked.into_iter().map(|(name, value)| (name, value.into())).collect();
    let query: Query = serde_json::from_value(serde_json::Value::Object(asked))
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    console.export(caller, &query, format).await
}

/// A text, a message, or a conversation, with everything that happened in it.
///
/// `id`: that of a text or message, or of a Tropo session, whichever of the two. Scope: `read`; what names or quotes a
/// person is masked without `people`.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    tag = "messages",
    params(("id" = String, Path, description = "An id of a text, message or session", pattern = "^[!-~]{1,128}$")),
    responses((status = OK, body = Found), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn get(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<Found>, Problem> {
    console.found(&caller, &id).await.map(Json)
}
