//! The Application Debugger over HTTP: JSON, or lines to read.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::SessionId;
use serde::{Deserialize, Deserializer, de};

use super::problem::Problem;
use super::stream::{self, Resume, Since};
use super::{ITEMS_MAX, pages, sessions};
use crate::{Line, Simulator};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    #[serde(deserialize_with = "session")]
    session: Option<SessionId>,
    after: u64,
    limit: usize,
    /// The latest so many, in place of the first ones.
    last: Option<usize>,
}

/// What a stream is asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Streamed {
    #[serde(deserialize_with = "session")]
    session: Option<SessionId>,
    after: u64,
    last_event_id: Option<String>,
}

/// A session's id; a form that was left empty asks for all of them.
fn session<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SessionId>, D::Error> {
    let written = String::deserialize(deserializer)?;
    let written = written.trim();
    if written.is_empty() { Ok(None) } else { written.parse().map(Some).map_err(de::Error::custom) }
}

impl Default for Asked {
    fn default() -> Self {
        Self { session: None, after: 0, limit: 1000, last: None }
    }
}

pub(super) async fn all(
    State(simulator): State<Arc<Simulator>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(Asked { session, after, limit, last }) = asked?;
    let session = session.as_ref();
    if pages::are_wanted(&headers) {
        return Ok(pages::debugger(&simulator, session));
    }
    let lines = match last {
        Some(last) => simulator.debugger.latest(session, last.min(ITEMS_MAX)),
        None => simulator.lines(session, after, limit.min(ITEMS_MAX)),
    };
    Ok(written(&lines, &headers))
}

/// The same, always as a page.
pub(super) async fn page(
    State(simulator): State<Arc<Simulator>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Asked { session, .. }) = asked?;
    Ok(pages::debugger(&simulator, session.as_ref()))
}

/// The lines as they are written.
pub(super) async fn stream(
    State(simulator): State<Arc<Simulator>>,
    asked: Result<Query<Streamed>, QueryRejection>,
    resume: Resume,
) -> Result<Response, Problem> {
    let Query(Streamed { session, after, last_event_id }) = asked?;
    let after = resume.after(&simulator.run, Since { after, last_event_id });
    let streamed = Arc::clone(&simulator);
    Ok(stream::events("line", &simulator, after, move |after| {
        let (simulator, session) = (Arc::clone(&streamed), session.clone());
        async move {
            let lines = simulator.debugger.next_lines(session.as_ref(), after, stream::BATCH).await;
            lines.into_iter().map(|line| (line.line, Arc::unwrap_or_clone(line))).collect()
        }
    }))
}

pub(super) async fn of_session(
    State(simulator): State<Arc<Simulator>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = sessions::id(id)?;
    let lines = simulator.lines(Some(&id), 0, ITEMS_MAX);
    if lines.is_empty() && simulator.session(&id).is_none() {
        return Err(Problem::new(StatusCode::NOT_FOUND, sessions::UNKNOWN));
    }
    Ok(written(&lines, &headers))
}

fn written(lines: &[Arc<Line>], headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/plain") {
        return Json(lines.iter().map(Arc::as_ref).collect::<Vec<&Line>>()).into_response();
    }
    lines
        .iter()
        .fold(String::new(), |mut text, line| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
        .into_response()
}
