//! What happened to a text or a message: the five questions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{Address, BackendName, SessionId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::asked::{Asked, Named};
use crate::Console;
use crate::explain::{Explanation, Sought};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;

/// Whose latest text or message is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Latest {
    /// The number, or name, of the person.
    #[param(value_type = String, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$", example = "+15555550177")]
    person: Address,
    /// The backend; any, where it is left out.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    backend: Option<BackendName>,
}

/// Answers the five questions about a text or a message.
///
/// Scope: `read`; numbers and words are masked without `people`.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/explanation",
    tag = "messages",
    params(("id" = String, Path, description = "An id of a text, message or session", pattern = "^[!-~]{1,128}$")),
    responses(
        (status = OK, body = Explanation),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn of_message(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<Explanation>, Problem> {
    caller.may(Scope::Read)?;
    Ok(Json(console.explanation(&caller, &Sought::Id(sought(&id)?)).await?))
}

/// Answers the five questions about the latest text or message of a person.
///
/// Scope: `people`.
#[utoipa::path(
    get,
    path = "/v1/explanation",
    tag = "messages",
    params(Latest),
    responses(
        (status = OK, body = Explanation),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["people"]), ("session" = ["people"])),
)]
pub(super) async fn of_person(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(latest): Asked<Latest>,
) -> Result<Json<Explanation>, Problem> {
    caller.may(Scope::People)?;
    let Latest { person, backend } = latest;
    Ok(Json(console.explanation(&caller, &Sought::Latest(person, backend)).await?))
}

/// An id as it stands in a path.
pub(crate) fn sought(id: &str) -> Result<SessionId, Problem> {
    id.parse().map_err(|error| Problem::bad_request(format!("that is no id: {error}")))
}
