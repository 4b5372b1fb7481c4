//! The OpenAPI document.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::problem::Problem;

/// Its head. The operations are collected with their routes, so that none is served and not described.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tropomq console",
        version = "1",
        description = "What became of each text and message, and what can be done about it.\n\n\
            Show a token, as `console.tokens` of the configuration has it: `authorization: Bearer TOKEN`. Each operation \
            names the scope that it needs: `read` (see what happened, numbers and words masked), `people` (see them, and \
            search by words), `send` (send messages), `operate` (work on dead letters). While neither users nor tokens are \
            configured, anybody on the console's own machine may do everything.\n\n\
            Whatever cannot be done is answered with a problem document (RFC 9457), which says what to do. Times are UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The console that serves this document")),
    tags(
        (name = "messages", description = "Texts and messages: found, explained, sent, watched"),
        (name = "dead letters", description = "What failed for good: looked at, replayed, dropped"),
        (name = "state", description = "How everything is doing"),
        (name = "trying", description = "Texts as anybody, virtual phones, Tropo's log: with the simulator"),
    ),
    components(responses(Problem)),
    modifiers(&Schemes),
)]
pub(super) struct Head;

/// How to tell who asks.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut token = Http::new(HttpAuthScheme::Bearer);
        token.description = Some("A token of `[console.tokens]`.".to_owned());
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let session = ApiKeyValue::with_description("session", "The session of somebody who is signed in at /login.");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// It, written.
pub(super) fn written(document: &utoipa::openapi::OpenApi) -> Bytes {
    // Its keys are strings: it is always written.
    let mut written = serde_json::to_vec_pretty(document).unwrap_or_default();
    written.push(b'\n');
    written.into()
}

/// It, as an answer.
pub(super) fn answer(written: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], written).into_response()
}
