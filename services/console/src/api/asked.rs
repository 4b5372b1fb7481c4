//! What a request says, read so that whatever does not fit is answered with a problem document.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use chassis::http::Body;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// What stands behind the question mark.
pub(crate) struct Asked<T>(pub(crate) T);

/// What stands in the path.
pub(crate) struct Named<T>(pub(crate) T);

/// The JSON of the body.
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let asked = axum::extract::Query::try_from_uri(&parts.uri);
        asked
            .map(|axum::extract::Query(asked)| Self(asked))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = axum::extract::Path::from_request_parts(parts, state).await;
        named
            .map(|axum::extract::Path(named)| Self(named))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let written_as = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = written_as.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let told = "write the body as JSON, and say so: content-type: application/json";
            return Err(Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, told));
        }
        let body = Body::from_request(request, state).await;
        let Body(bytes) = body.map_err(|error| {
            let told = error.to_string();
            Problem::http(error.into_response().status(), told)
        })?;
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|error| Problem::bad_request(format!("the body does not fit: {error}")))
    }
}
