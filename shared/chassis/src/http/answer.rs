//! The answers that the listener gives itself: small JSON, nothing about the inside.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// `{"error": "…"}` with this status.
pub(super) fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(Refusal { error })).into_response()
}

/// The same, and the connection ends with it: the rest of the request is not worth waiting for.
pub(super) fn last_refusal(status: StatusCode, error: &str) -> Response {
    let mut response = refusal(status, error);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What a handler that panicked answers. The words of the panic are for the log alone, where the panic hook wrote
/// them with their place.
pub(super) fn panicked(_said: Box<dyn Any + Send>) -> Response {
    error!("a handler panicked");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}
