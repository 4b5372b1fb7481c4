//! The pages for a browser: an index, a phone, the Application Debugger. They are written here, and kept live by the
//! streams; a browser without scripts has all but that.

mod debugger;
mod html;
mod index;
mod phone;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use chassis::http::{Body, BodyRejection};
use protocol::{Address, SessionId};
use serde::Deserialize;

use self::html::Page;
use self::phone::Draft;
use super::phones;
use super::problem::Problem;
use crate::Simulator;

const STYLE: &str = include_str!("pages/style.css");
const LIVE: &str = include_str!("pages/live.js");

/// What stands in the form of a phone's page when it is opened.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Addressed {
    to: String,
    network: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    number: String,
}

/// What belongs to the pages alone.
pub(super) fn router() -> Router<Arc<Simulator>> {
    let asset = |content_type: &'static str, text: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text))
    };
    Router::new()
        .route("/pages/style.css", asset("text/css; charset=utf-8", STYLE))
        .route("/pages/live.js", asset("text/javascript; charset=utf-8", LIVE))
        .route("/pages/phone", get(open))
        .route("/debugger/page", get(super::debugger::page))
}

/// Whether a browser asks.
pub(super) fn are_wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// What is where.
pub(super) async fn index(State(simulator): State<Arc<Simulator>>, headers: HeaderMap) -> Response {
    if are_wanted(&headers) { index::page(&simulator).into_response() } else { super::INDEX.into_response() }
}

/// The debugger's lines, of one session or of all.
pub(super) fn debugger(simulator: &Simulator, session: Option<&SessionId>) -> Response {
    debugger::page(simulator, session).into_response()
}

/// A phone.
pub(super) fn phone(simulator: &Simulator, number: &Address, addressed: Addressed) -> Response {
    let Addressed { to, network } = addressed;
    let draft = if to.is_empty() { Draft::next(simulator, number) } else { Draft::to(to, network) };
    phone::page(simulator, number, &draft, None).into_response()
}

/// A phone sends what its form says, and shows itself again, ready for the next text to the same. Whoever is no browser, and meant another path perhaps, is
/// told in JSON what was wrong.
pub(super) async fn send(
    State(simulator): State<Arc<Simulator>>,
    number: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Body, BodyRejection>,
) -> Result<Response, Problem> {
    let number = phones::phone(number)?;
    let Body(body) = body.map_err(Problem::Unread)?;
    let draft = Draft::read(&body);
    let sent = draft.texting().and_then(|texting| simulator.send(&number, texting).map_err(Problem::from));
    match sent {
        Ok(_) => Ok(Redirect::to(&draft.path(&number)).into_response()),
        Err(problem) if !are_wanted(&headers) => Err(problem),
        Err(problem) => {
            let (status, error) = problem.told();
            Ok((status, phone::page(&simulator, &number, &draft, Some(&error))).into_response())
        }
    }
}

/// The form of the index leads to the phone's own page.
async fn open(opened: Result<Query<Opened>, QueryRejection>) -> Result<Redirect, Problem> {
    let Query(Opened { number }) = opened?;
    let number: Address =
        number.parse().map_err(|error| Problem::bad_request(format_args!("that is no phone: {error}")))?;
    Ok(Redirect::to(&html::phone_path(&number)))
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, html::SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (headers, self.written()).into_response()
    }
}
