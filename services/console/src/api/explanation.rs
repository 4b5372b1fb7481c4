//! What happened to a text or a message: the five questions.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use protocol::{Address, BackendName, SessionId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Console;
use crate::explain::{Explanation, Sought};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;

/// Whose latest text or message is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Latest {
    /// The number, or name, of the person.
    #[param(value_type = String, example = "+15555550177")]
    person: Address,
    /// The backend; any, where it is left out.
    #[param(value_type = Option<String>)]
    backend: Option<BackendName>,
}

/// Answers the five questions about a text or a message.
///
/// Numbers and words are masked without the scope `people`.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/explanation",
    tag = "messages",
    params(("id" = String, Path, description = "The id of a text or message, or of a Tropo session of its conversation.")),
    responses(
        (status = OK, body = Explanation),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn of_message(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    caller.may(Scope::Read)?;
    Ok(Json(console.explanation(&caller, &Sought::Id(sought(&id)?)).await?))
}

/// Answers the five questions about the latest text or message of a person.
///
/// Numbers and words are masked without the scope `people`.
#[utoipa::path(
    get,
    path = "/v1/explanation",
    tag = "messages",
    params(Latest),
    responses(
        (status = OK, body = Explanation),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn of_person(
    State(console): State<Arc<Console>>,
    caller: Caller,
    latest: Query<Latest>,
) -> Result<Json<Explanation>, Problem> {
    caller.may(Scope::Read)?;
    let Query(Latest { person, backend }) = latest;
    Ok(Json(console.explanation(&caller, &Sought::Latest(person, backend)).await?))
}

/// An id as it stands in a path.
pub(crate) fn sought(id: &str) -> Result<SessionId, Problem> {
    id.parse().map_err(|error| Problem::bad_request(format!("that is no id: {error}")))
}
