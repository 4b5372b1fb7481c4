//! What is answered when a request cannot be done: a problem document (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::LedgerError;
use utoipa::{ToResponse, ToSchema};

use crate::guard::Scope;
use crate::observe;

/// How long whoever asked is told to wait while something is away, in seconds.
const AGAIN_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// A request that cannot be done (RFC 9457).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema, ToResponse)]
#[response(description = "What is wrong, and what to do", content_type = "application/problem+json")]
pub(crate) struct Problem {
    /// The kind of problem, for programs: `urn:tropomq:problem:NAME`.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:tropomq:problem:not-found")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The status of the answer.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16, example = 404)]
    status: StatusCode,
    /// What is wrong with this request, and what to do.
    detail: String,
    /// Where the bus did not confirm a message: whether it may be sent all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_be_sent: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    fn of(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind: format!("urn:tropomq:problem:{name}"), title, status, detail: detail.into(), may_be_sent: None }
    }

    /// What HTTP has a status for, and nothing here a name.
    pub(crate) fn http(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("The request cannot be done");
        let name = title.to_ascii_lowercase().replace(' ', "-");
        Self::of(status, &name, title, detail)
    }

    /// Something that was asked for cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    /// The same, after what it is about.
    pub(crate) fn after(self, about: impl std::fmt::Display) -> Self {
        Self { detail: format!("{about}: {}", self.detail), ..self }
    }

    /// What was asked for is understood, and cannot be.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "The request cannot be carried out", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// Nobody is known to ask.
    pub(crate) fn not_known(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::UNAUTHORIZED, "not-signed-in", "Who asks is not known", detail)
    }

    /// Whoever asks may not.
    pub(crate) fn not_permitted(scope: Scope) -> Self {
        let scope = serde_json::to_string(&scope).unwrap_or_default();
        let detail = format!("the scope {scope} is needed: whoever configures the console grants it");
        Self::of(StatusCode::FORBIDDEN, "not-permitted", "This is not permitted", detail)
    }

    /// It is asked for from where it may not be asked for.
    pub(crate) fn foreign(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::FORBIDDEN, "foreign", "This may not be asked for from there", detail)
    }

    /// A browser asks, and nothing shows that a page of ours had it ask.
    pub(crate) fn not_meant() -> Self {
        let detail = "the token of the page is missing (field csrf, or header x-csrf-token), or is of another session: \
                      load the page again";
        Self::of(StatusCode::FORBIDDEN, "not-meant", "Nothing shows that a page of the console asks", detail)
    }

    /// The database is not there.
    pub(crate) fn no_database() -> Self {
        Self::unavailable("the database is not there yet: ask again in a moment")
    }

    /// Something that is needed is not there.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Something that is needed is away", detail)
    }

    /// The bus did not confirm a message.
    pub(crate) fn not_kept(detail: impl Into<String>, may_be_sent: bool) -> Self {
        Self { may_be_sent: Some(may_be_sent), ..Self::unavailable(detail) }
    }

    /// Whether it may have been done all the same.
    pub(crate) fn may_be_sent(&self) -> bool {
        self.may_be_sent == Some(true)
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The kind in words.
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        if error.is_too_much() {
            return Self::unprocessable(
                "too much fits to be looked through in time: narrow it by time, person or backend",
            );
        }
        observe::database_away(&error);
        Self::unavailable("the database does not answer: ask again in a moment; the console's log says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let written_as = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, written_as);
        if self.status == StatusCode::UNAUTHORIZED {
            let by_token = HeaderValue::from_static("Bearer realm=\"tropomq\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, by_token);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, AGAIN_AFTER_S);
        }
        // For whoever shows it to people.
        response.extensions_mut().insert(self);
        response
    }
}
