//! What is answered when a request cannot be done: `{"error": "..."}`, which says what to do.

use std::fmt::Display;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chassis::http::{Body, BodyRejection};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::application::ApplicationError;
use crate::session::opening::OpeningError;
use crate::texting::TextedError;

/// A request that cannot be done.
#[derive(Debug)]
pub(super) enum Problem {
    /// Its body did not come.
    Unread(BodyRejection),
    /// It asks for what cannot be.
    Refused { status: StatusCode, error: String },
}

#[derive(Serialize)]
struct Written {
    error: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Display) -> Self {
        Self::Refused { status, error: error.to_string() }
    }

    pub(super) fn bad_request(error: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl Problem {
    /// The status and the words of the answer.
    pub(super) fn told(&self) -> (StatusCode, String) {
        match self {
            Self::Unread(rejection) => (rejection.into_response().status(), rejection.to_string()),
            Self::Refused { status, error } => (*status, error.clone()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Unread(rejection) => rejection.into_response(),
            Self::Refused { status, error } => (status, Json(Written { error })).into_response(),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<OpeningError> for Problem {
    fn from(error: OpeningError) -> Self {
        let status = match error {
            OpeningError::NoSuchNumber => StatusCode::NOT_FOUND,
            OpeningError::Full | OpeningError::Unread | OpeningError::NoMemory | OpeningError::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, error)
    }
}

impl From<TextedError> for Problem {
    fn from(error: TextedError) -> Self {
        match error {
            TextedError::Opening(error) => error.into(),
            TextedError::Withheld | TextedError::Blank | TextedError::NotMms | TextedError::Media => {
                Self::bad_request(error)
            }
        }
    }
}

impl From<ApplicationError> for Problem {
    fn from(error: ApplicationError) -> Self {
        let status = match error {
            ApplicationError::Name
            | ApplicationError::Url
            | ApplicationError::Number { .. }
            | ApplicationError::NoneFree => StatusCode::BAD_REQUEST,
            ApplicationError::NameTaken
            | ApplicationError::TokenTaken
            | ApplicationError::NumberTaken { .. }
            | ApplicationError::NameOnNetworkTaken => StatusCode::CONFLICT,
            ApplicationError::TooMany | ApplicationError::TooManyAddresses => StatusCode::INSUFFICIENT_STORAGE,
            ApplicationError::Unknown | ApplicationError::NoSuchAddress => StatusCode::NOT_FOUND,
        };
        Self::new(status, error)
    }
}

/// The JSON of a body.
pub(super) fn json<T: DeserializeOwned>(body: Result<Body, BodyRejection>) -> Result<T, Problem> {
    let Body(bytes) = body.map_err(Problem::Unread)?;
    serde_json::from_slice(&bytes).map_err(|error| Problem::bad_request(format_args!("the body does not fit: {error}")))
}

pub(super) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here: GET / says what is where")
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method: GET / says what is where")
}
