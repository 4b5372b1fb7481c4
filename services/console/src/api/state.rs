//! How everything is doing: status, backends, applications, the account, the configuration.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::BackendName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, Named};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::status::{BackendState, OptOuts};
use crate::{Application, Console, Finding, Status};

/// How everything is doing: processes, queues, backends, the journal.
///
/// Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "state",
    responses((status = OK, body = Status), (status = "4XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn status(State(console): State<Arc<Console>>, caller: Caller) -> Result<Json<Status>, Problem> {
    console.status(&caller).await.map(Json)
}

/// The backends.
#[derive(Serialize, ToSchema)]
pub(super) struct Backends {
    /// In the order of their names.
    backends: Vec<BackendState>,
}

/// The backends, and how they are doing.
///
/// Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/backends",
    tag = "state",
    responses((status = OK, body = Backends), (status = "4XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn backends(State(console): State<Arc<Console>>, caller: Caller) -> Result<Json<Backends>, Problem> {
    let backends = console.backend_list(&caller).await?;
    Ok(Json(Backends { backends }))
}

/// Where to go on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// `next` of the page before.
    #[param(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]{0,256}$")]
    cursor: Option<String>,
}

/// Who opted out of a backend.
///
/// Scope: `people`.
#[utoipa::path(
    get,
    path = "/v1/backends/{name}/opt-outs",
    tag = "state",
    params(("name" = String, Path, description = "The backend"), From),
    responses((status = OK, body = OptOuts), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["people"]), ("session" = ["people"])),
)]
pub(super) async fn opt_outs(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(From { cursor }): Asked<From>,
) -> Result<Json<OptOuts>, Problem> {
    let name: BackendName = name.parse().map_err(|_| Problem::not_found("there is no backend of this name"))?;
    console.opt_outs(&caller, &name, cursor.as_deref()).await.map(Json)
}

/// The applications of the router.
#[derive(Serialize, ToSchema)]
pub(super) struct Applications {
    /// In the order in which they are asked.
    applications: Vec<Application>,
}

/// The applications of the router, in the order in which they are asked.
///
/// Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/applications",
    tag = "state",
    responses((status = OK, body = Applications), (status = "4XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn applications(
    State(console): State<Arc<Console>>,
    caller: Caller,
) -> Result<Json<Applications>, Problem> {
    caller.may(Scope::Read)?;
    Ok(Json(Applications { applications: console.house.applications() }))
}

/// Which account.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Account {
    /// The account of one backend alone.
    #[param(pattern = "^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$")]
    backend: Option<String>,
    /// How long something may be on its way before it is looked for: 10s where left out.
    #[param(example = "10s")]
    settle: Option<String>,
}

/// The account of every text and message, and whether it adds up.
///
/// What does not add up is worth another look a moment later: a message that goes from one queue to another while they are
/// counted may be in neither count. Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/balance",
    tag = "state",
    params(Account),
    responses((status = OK, body = Object), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn balance(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(Account { backend, settle }): Asked<Account>,
) -> Result<Json<Value>, Problem> {
    let backend = backend.filter(|name| !name.is_empty()).map(|name| name.parse::<BackendName>()).transpose();
    let backend = backend.map_err(|error| Problem::bad_request(format!("backend: {error}")))?;
    console.balance(&caller, backend.as_ref(), settle.as_deref()).await.map(Json)
}

/// What there is to say about the configuration.
#[derive(Serialize, ToSchema)]
pub(super) struct Configuration {
    /// Whether the stack can run with it.
    is_good: bool,
    /// What is wrong, or worth a look.
    findings: Vec<Finding>,
}

/// What is wrong with the configuration as it stands in its file now, or worth a look.
///
/// Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/configuration",
    tag = "state",
    responses((status = OK, body = Configuration), (status = "4XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn configuration(
    State(console): State<Arc<Console>>,
    caller: Caller,
) -> Result<Json<Configuration>, Problem> {
    caller.may(Scope::Read)?;
    let findings = console.house.configuration();
    Ok(Json(Configuration { is_good: findings.iter().all(|finding| !finding.is_error), findings }))
}
