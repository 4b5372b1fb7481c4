//! The virtual phones over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chassis::config::duration;
use chassis::http::{Body, BodyRejection};
use protocol::{Address, Network};
use serde::Deserialize;

use super::pages;
use super::problem::{self, Problem};
use super::sessions::HungUp;
use super::stream::{self, Resume, Since};
use crate::{PhoneMessage, PhoneSummary, Simulator, Texted, TextedError};

/// The longest wait of one request for messages; a longer one is cut. Shorter than what listeners grant a request.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// What is said of a number that is no phone yet.
const NOT_ON: &str = "no phone has this number yet: it is one once it texts, is texted, or has its page or stream open";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HangingUp {
    to: Address,
    /// Any, where left out.
    network: Option<Network>,
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
    let texted = simulator.send(&from, problem::json(body)?)?;
    Ok((StatusCode::ACCEPTED, Json(texted)))
}

/// The phone; as a page for a browser, which switches it on.
pub(super) async fn one(
    State(simulator): State<Arc<Simulator>>,
    number: Result<Path<String>, PathRejection>,
    addressed: Result<Query<pages::Addressed>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = phone(number)?;
    let Query(addressed) = addressed?;
    if pages::are_wanted(&headers) {
        simulator.phones.switch_on(&number);
        return Ok(pages::phone(&simulator, &number, addressed));
    }
    let summary = simulator.phones.summary(&number);
    summary.map(|summary| Json(summary).into_response()).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, NOT_ON))
}

/// What it receives and sends, as it happens. It is on from now on.
pub(super) async fn stream(
    State(simulator): State<Arc<Simulator>>,
    number: Result<Path<String>, PathRejection>,
    asked: Result<Query<Since>, QueryRejection>,
    resume: Resume,
) -> Result<Response, Problem> {
    let number = phone(number)?;
    let Query(since) = asked?;
    simulator.phones.switch_on(&number);
    let (after, streamed) = (resume.after(&simulator.run, since), Arc::clone(&simulator));
    Ok(stream::events("message", &simulator, after, move |after| {
        let (simulator, number) = (Arc::clone(&streamed), number.clone());
        async move {
            let messages = simulator.phones.next_history(&number, after, stream::BATCH).await;
            messages.into_iter().map(|message| (message.index, Arc::unwrap_or_clone(message))).collect()
        }
    }))
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

/// The number in a path.
pub(super) fn phone(number: Result<Path<String>, PathRejection>) -> Result<Address, Problem> {
    let Path(number) = number?;
    let number: Address =
        number.parse().map_err(|error| Problem::bad_request(format_args!("that is no phone: {error}")))?;
    if number.is_reachable() { Ok(number) } else { Err(Problem::bad_request(TextedError::Withheld)) }
}
