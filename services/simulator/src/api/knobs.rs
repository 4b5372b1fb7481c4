//! The knobs over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chassis::http::{Body, BodyRejection};
use serde_json::{Map, Value};

use super::problem::{self, Problem};
use crate::{Knobs, Simulator};

pub(super) async fn get(State(simulator): State<Arc<Simulator>>) -> Json<Knobs> {
    Json(simulator.knobs())
}

/// Sets all of them: what is left out is as on a good day, and chance begins anew.
pub(super) async fn put(
    State(simulator): State<Arc<Simulator>>,
    body: Result<Body, BodyRejection>,
) -> Result<Json<Knobs>, Problem> {
    let knobs: Knobs = problem::json(body)?;
    simulator.set_knobs(knobs.clone());
    Ok(Json(knobs))
}

/// Sets some of them: what is left out stays, and null is as on a good day.
pub(super) async fn patch(
    State(simulator): State<Arc<Simulator>>,
    body: Result<Body, BodyRejection>,
) -> Result<Json<Knobs>, Problem> {
    let changes: Map<String, Value> = problem::json(body)?;
    let merged = simulator.control.merge(changes);
    merged.map(Json).map_err(|error| Problem::bad_request(format_args!("the body does not fit: {error}")))
}
