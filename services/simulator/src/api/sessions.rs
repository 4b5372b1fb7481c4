//! The state of a session over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use protocol::SessionId;
use serde::Serialize;

use super::problem::Problem;
use crate::{SessionView, Simulator};

/// What is said of a session that is not known.
pub(super) const UNKNOWN: &str = "no session has this id, or it was forgotten since: GET /debugger shows the latest";

pub(super) async fn get(
    State(simulator): State<Arc<Simulator>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionView>, Problem> {
    let view = simulator.session(&id(path)?);
    view.map(Json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, UNKNOWN))
}

#[derive(Serialize)]
pub(super) struct HungUp {
    pub(super) session_ids: Vec<SessionId>,
}

/// The phone of a session hangs up, or the platform does for it.
pub(super) async fn hang_up(
    State(simulator): State<Arc<Simulator>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<HungUp>), Problem> {
    let id = id(path)?;
    if !simulator.hang_up(&id) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no session of this id is under way: GET /sessions/{id}"));
    }
    Ok((StatusCode::ACCEPTED, Json(HungUp { session_ids: vec![id] })))
}

/// The id in a path.
pub(super) fn id(path: Result<Path<String>, PathRejection>) -> Result<SessionId, Problem> {
    let Path(written) = path?;
    written.parse().map_err(Problem::bad_request)
}
