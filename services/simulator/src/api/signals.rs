//! Tropo's signals: interrupting a session that is under way (Tropo WebAPI: signals).

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chassis::http::{Body, BodyRejection};
use tropo::launch::RequestError;
use tropo::signal::{SignalRequest, SignalStatus};

use super::{create, sessions};
use crate::Simulator;

/// Answered in the format of the request. Clients look at what the body says, so the status is 200 whenever the request
/// could be read.
pub(super) async fn signal(
    State(simulator): State<Arc<Simulator>>,
    id: Result<Path<String>, PathRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Body, BodyRejection>,
) -> Response {
    let body = match body {
        Ok(Body(body)) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE);
    let format = create::format(&method, text(header::ACCEPT), content_type, &body);
    let (code, status) = match SignalRequest::read(method.as_str(), uri.query(), content_type, &body) {
        Ok(request) => {
            let id = sessions::id(id);
            (StatusCode::OK, id.map_or(SignalStatus::NotFound, |id| simulator.signal(&id, &request.signal)))
        }
        Err(RequestError::Method) => (StatusCode::METHOD_NOT_ALLOWED, SignalStatus::Failed),
        Err(RequestError::Body | RequestError::Action | RequestError::Token | RequestError::Signal) => {
            (StatusCode::BAD_REQUEST, SignalStatus::Failed)
        }
    };
    (code, [(header::CONTENT_TYPE, format.content_type())], status.to_body(format)).into_response()
}
