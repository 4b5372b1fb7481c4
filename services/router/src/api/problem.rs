//! What is answered when a request cannot be done: a problem document (RFC 9457), which says what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How long whoever asked is told to wait while the bus is away, in seconds.
const AGAIN_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// A request that cannot be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    detail: String,
    /// Where the bus did not confirm: whether the message may be sent all the same.
    may_be_sent: Option<bool>,
}

#[derive(Serialize)]
struct Written<'a> {
    /// Nothing that the status does not say.
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    may_be_sent: Option<bool>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), may_be_sent: None }
    }

    /// The bus did not confirm the message.
    pub(super) fn not_kept(detail: &str, may_be_sent: bool) -> Self {
        Self { may_be_sent: Some(may_be_sent), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail, may_be_sent } = &self;
        let title = status.canonical_reason().unwrap_or_default();
        let written =
            Written { r#type: "about:blank", title, status: status.as_u16(), detail, may_be_sent: *may_be_sent };
        let mut response = (*status, axum::Json(written)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if *status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if *status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, AGAIN_AFTER_S);
        }
        response
    }
}
