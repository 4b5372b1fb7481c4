//! Events as they happen (server-sent events).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use protocol::{BackendName, SessionId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::asked::Asked;
use crate::Console;
use crate::feed::Wish;
use crate::guard::{Caller, Scope};
use crate::problem::Problem;

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Watched {
    /// Those of this backend.
    #[param(pattern = "^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$")]
    backend: Option<String>,
    /// Those of these kinds, with commas between them.
    #[param(example = "message.received,message.sent")]
    kind: Option<String>,
    /// Those of this Tropo session, or of the conversation that it began.
    #[param(pattern = "^[!-~]{0,128}$")]
    session: Option<String>,
    /// Those after this number; from now on where it is left out. The header `Last-Event-ID` comes first.
    after: Option<i64>,
}

/// Events as they happen, as server-sent events.
///
/// Each is an `event` with its number as id, and [`ShownEvent`] as data; whoever comes again with the number of the last
/// one in `Last-Event-ID` misses none and gets none twice. `missed` says that there were too many for who read so slowly, or
/// was away for so long, and gives the numbers between which some are missing. The stream ends now and then: come again.
/// Scope: `read`; what names or quotes a person is masked without `people`.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "messages",
    params(Watched, ("Last-Event-ID" = Option<i64>, Header, description = "The number of the last event that you have")),
    responses(
        (status = OK, body = String, content_type = "text/event-stream"),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn watch(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Asked(Watched { backend, kind, session, after }): Asked<Watched>,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let given = |written: Option<String>| written.filter(|written| !written.is_empty());
    let backend = given(backend).map(|name| name.parse::<BackendName>()).transpose();
    let session = given(session).map(|id| id.parse::<SessionId>()).transpose();
    let kinds = given(kind).map(|kinds| kinds.split(',').map(|kind| kind.trim().to_owned()).collect());
    let wish = Wish {
        backend: backend.map_err(|error| Problem::bad_request(format!("backend: {error}")))?,
        kinds: kinds.unwrap_or_default(),
        session: session.map_err(|error| Problem::bad_request(format!("session: {error}")))?,
        ..Wish::default()
    };
    let events = console.watch(caller, wish, last_event(&headers)?.or(after)).await?;
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(crate::feed::KEEP_ALIVE)).into_response())
}

/// The number of the last event that the client has.
fn last_event(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let number = id.to_str().ok().and_then(|id| id.trim().parse().ok());
    number.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID: not one of ours"))
}
