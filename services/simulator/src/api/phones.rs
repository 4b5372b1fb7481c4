//! The virtual phones over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use chassis::config::duration;
use chassis::http::{Body, BodyRejection};
use protocol::{Address, MessageText, Network, SessionId};
use serde::{Deserialize, Serialize};

use super::problem::{self, Problem};
use super::sessions::HungUp;
use crate::{PhoneMessage, PhoneSummary, Simulator};

/// The longest wait of one request for messages; a longer one is cut. Shorter than what listeners grant a request.
const WAIT_MAX: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texting {
    to: Address,
    text: MessageText,
    #[serde(default = "Network::sms")]
    network: Network,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HangingUp {
    to: Address,
    /// Any, where left out.
    network: Option<Network>,
}

#[derive(Serialize)]
pub(super) struct Texted {
    session_id: SessionId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    after: u64,
    #[serde(with = "duration")]
    wait: Duration,
}

impl Default for Asked {
    fn default() -> Self {
        Self { after: 0, wait: Duration::ZERO }
    }
}

pub(super) async fn list(State(simulator): State<Arc<Simulator>>) -> Json<Vec<PhoneSummary>> {
    Json(simulator.phones.all())
}

pub(super) async fn text(
    State(simulator): State<Arc<Simulator>>,
    number: Result<Path<String>, PathRejection>,
    body: Result<Body, BodyRejection>,
) -> Result<(StatusCode, Json<Texted>), Problem> {
    let from = phone(number)?;
    let Texting { to, text, network } = problem::json(body)?;
    let session_id = simulator.text(&from, &to, &text, &network)?;
    Ok((StatusCode::ACCEPTED, Json(Texted { session_id })))
}

pub(super) async fn hang_up(
    State(simulator): State<Arc<Simulator>>,
    number: Result<Path<String>, PathRejection>,
    body: Result<Body, BodyRejection>,
) -> Result<(StatusCode, Json<HungUp>), Problem> {
    let from = phone(number)?;
    let HangingUp { to, network } = problem::json(body)?;
    let session_ids = simulator.hang_up_on(&from, &to, network.as_ref());
    if session_ids.is_empty() {
        let error = "no session with this phone and that number is under way: there is nothing to hang up";
        return Err(Problem::new(StatusCode::NOT_FOUND, error));
    }
    Ok((StatusCode::ACCEPTED, Json(HungUp { session_ids })))
}

pub(super) async fn messages(
    State(simulator): State<Arc<Simulator>>,
    number: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Vec<PhoneMessage>>, Problem> {
    let number = phone(number)?;
    let Query(Asked { after, wait }) = asked?;
    Ok(Json(simulator.messages(&number, after, wait.min(WAIT_MAX)).await))
}

fn phone(number: Result<Path<String>, PathRejection>) -> Result<Address, Problem> {
    let Path(number) = number?;
    number.parse().map_err(|error| Problem::bad_request(format_args!("that is no phone: {error}")))
}
