//! The simulator that stands in for Tropo, where there is one: its phones, and Tropo's log.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chassis::config::duration;
use protocol::{Address, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use crate::Console;
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::simulated::{LINES_MAX, Lines, Phone, PhoneMessage, Simulated, TropoLine};

/// Virtual phones.
#[derive(Serialize, ToSchema)]
pub(super) struct Phones {
    /// Each that texted, was texted, or is looked at.
    phones: Vec<Phone>,
}

/// The virtual phones of the simulator.
///
/// Scope: `people`.
#[utoipa::path(
    get,
    path = "/v1/phones",
    tag = "trying",
    responses((status = OK, body = Phones), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["people"]), ("session" = ["people"])),
)]
pub(super) async fn phones(State(console): State<Arc<Console>>, caller: Caller) -> Result<Json<Phones>, Problem> {
    caller.may(Scope::People)?;
    let phones = simulator(&console)?.phones().await?;
    Ok(Json(Phones { phones }))
}

/// Which messages of which phone.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Received {
    /// The number of the phone.
    #[param(
        max_length = 256,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
        example = "+15555550177"
    )]
    number: String,
    /// Those after this index.
    #[serde(default)]
    after: u64,
    /// How long to wait for one, where there is none yet: at most 15s.
    #[param(example = "5s")]
    wait: Option<String>,
}

/// Messages that a phone received.
#[derive(Serialize, ToSchema)]
pub(super) struct PhoneMessages {
    /// The oldest first.
    messages: Vec<PhoneMessage>,
}

/// What a virtual phone received.
///
/// Scope: `people`.
#[utoipa::path(
    get,
    path = "/v1/phones/messages",
    tag = "trying",
    params(Received),
    responses(
        (status = OK, body = PhoneMessages),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["people"]), ("session" = ["people"])),
)]
pub(super) async fn received(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(Received { number, after, wait }): Asked<Received>,
) -> Result<Json<PhoneMessages>, Problem> {
    caller.may(Scope::People)?;
    let number: Address = number.parse().map_err(|error| Problem::bad_request(format!("number: {error}")))?;
    let wait = wait.as_deref().map_or(Some(Duration::ZERO), duration::parse);
    let wait = wait.ok_or_else(|| Problem::bad_request("wait: must be a time, as in 5s"))?;
    let messages = simulator(&console)?.messages(&number, after, wait).await?;
    Ok(Json(PhoneMessages { messages }))
}

/// Which lines of the log.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Logged {
    /// Those of this session.
    #[param(pattern = "^[!-~]{0,128}$")]
    session: Option<String>,
    /// Those after this line, the oldest first; the latest where it is left out.
    after: Option<u64>,
    /// How many at most, up to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lines of Tropo's log.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedLines {
    /// The oldest first.
    lines: Vec<TropoLine>,
}

/// Tropo's log, as the simulator writes it.
///
/// It quotes what went back and forth. Scope: `people`.
#[utoipa::path(
    get,
    path = "/v1/debugger",
    tag = "trying",
    params(Logged),
    responses(
        (status = OK, body = LoggedLines),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["people"]), ("session" = ["people"])),
)]
pub(super) async fn debugger(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(Logged { session, after, limit }): Asked<Logged>,
) -> Result<Json<LoggedLines>, Problem> {
    caller.may(Scope::People)?;
    let session = session.filter(|id| !id.is_empty()).map(|id| id.parse::<SessionId>()).transpose();
    let session = session.map_err(|error| Problem::bad_request(format!("session: {error}")))?;
    let limit = limit.unwrap_or(LINES_MAX);
    if !(1..=LINES_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit: must be a number from 1 to {LINES_MAX}")));
    }
    let lines = after.map_or(Lines::Last(limit), |after| Lines::After(after, limit));
    let lines = simulator(&console)?.lines(session.as_ref(), lines).await?;
    Ok(Json(LoggedLines { lines }))
}

fn simulator(console: &Console) -> Result<&Simulated, Problem> {
    let told = "there is no simulator: set console.simulator, or run `tropomq up` without backends";
    console.simulated.as_ref().ok_or_else(|| Problem::not_found(told))
}
