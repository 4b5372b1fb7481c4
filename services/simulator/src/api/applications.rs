//! The applications over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chassis::http::{Body, BodyRejection};
use serde_json::{Map, Value};

use super::problem::{self, Problem};
use crate::{Application, ApplicationConfig, Simulator};

pub(super) async fn list(State(simulator): State<Arc<Simulator>>) -> Response {
    let all = simulator.applications.all();
    Json(all.iter().map(Arc::as_ref).collect::<Vec<&Application>>()).into_response()
}

/// The body is what the configuration has, and the name.
pub(super) async fn add(
    State(simulator): State<Arc<Simulator>>,
    body: Result<Body, BodyRejection>,
) -> Result<Response, Problem> {
    let mut written: Map<String, Value> = problem::json(body)?;
    let Some(Value::String(name)) = written.remove("name") else {
        return Err(Problem::bad_request("name is missing: how shall the application be called?"));
    };
    let settings: ApplicationConfig = serde_json::from_value(Value::Object(written))
        .map_err(|error| Problem::bad_request(format_args!("the body does not fit: {error}")))?;
    let application = simulator.add_application(name, settings)?;
    Ok((StatusCode::CREATED, Json(application.as_ref())).into_response())
}
