//! The Application Debugger over HTTP: JSON, or lines to read.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::SessionId;
use serde::Deserialize;

use super::problem::Problem;
use super::{ITEMS_MAX, sessions};
use crate::{Line, Simulator};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    session: Option<SessionId>,
    after: u64,
    limit: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self { session: None, after: 0, limit: 1000 }
    }
}

pub(super) async fn all(
    State(simulator): State<Arc<Simulator>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(Asked { session, after, limit }) = asked?;
    Ok(written(&simulator.lines(session.as_ref(), after, limit.min(ITEMS_MAX)), &headers))
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
