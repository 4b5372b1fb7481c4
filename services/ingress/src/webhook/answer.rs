//! What callers are answered with.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::BackendName;
use tropo::document::CONTENT_TYPE;

use super::{Answered, Refused, hangup};
use crate::observe;

/// The answer to a webhook.
pub(super) fn response(backend: &BackendName, answered: Result<Answered, Refused>) -> Response {
    match answered {
        Ok(Answered::Kept) => document(StatusCode::OK, hangup()),
        Ok(Answered::Forwarded(answer)) => document(answer.status, answer.body),
        Err(refused) => self::refused(backend.as_str(), &refused),
    }
}

/// The answer to what is not taken. `backend` is the caller's word for it.
pub(super) fn refused(backend: &str, refused: &Refused) -> Response {
    observe::refused(backend, refused);
    let (status, words) = refused.answer();
    let mut response = problem(status, &words);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = header::HeaderValue::from_static("Basic realm=\"tropomq\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The answer to a body that could not be taken.
pub(super) fn rejected(rejection: chassis::http::BodyRejection) -> Response {
    rejection.into_response()
}

pub(super) async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "nothing is here: webhooks go to /tropo/{backend}")
}

pub(super) async fn method_not_allowed() -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "webhooks are POSTed");
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
    response
}

fn document(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}

fn problem(status: StatusCode, words: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": words }))).into_response()
}
