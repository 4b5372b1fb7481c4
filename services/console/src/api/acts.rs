//! Who did what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::asked::Asked;
use crate::Console;
use crate::acts::{Acts, ActsAsked};
use crate::guard::Caller;
use crate::problem::Problem;

/// Who did what, the latest first.
///
/// Scope: `read`. What was begun is on record, whether it was done to its end or not.
#[utoipa::path(
    get,
    path = "/v1/acts",
    tag = "state",
    params(ActsAsked),
    responses((status = OK, body = Acts), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(asked): Asked<ActsAsked>,
) -> Result<Json<Acts>, Problem> {
    console.acts(&caller, &asked).await.map(Json)
}
