//! The OpenAPI document.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;
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
        const COOKIE: &str = "tropomq";
        const TOLD: &str = "The session of somebody who is signed in at /login; over TLS the cookie is __Host-tropomq.";
        let session = ApiKeyValue::with_description(COOKIE, TOLD);
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// The document, with what is the same for all operations: an id of their own, and words for what went as asked; and with
/// what utoipa does not say: that a header which is left out is not written `null`, and how far numbers without a sign go.
pub(super) fn complete(document: &utoipa::openapi::OpenApi) -> Value {
    // Its keys are strings: it is always written.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    for (path, operations) in members(&mut document, "/paths") {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            for (_, response) in members(operation, "/responses") {
                if response.get("$ref").is_none() && response.get("description").is_none() {
                    set(response, "description", "As asked");
                }
            }
            for parameter in list(operation, "/parameters") {
                if let Some(types) = parameter.pointer_mut("/schema/type").filter(|types| types.is_array()) {
                    let named =
                        types.as_array_mut().and_then(|types| types.iter().find(|name| *name != "null").cloned());
                    *types = named.unwrap_or_default();
                }
            }
            set(operation, "operationId", &id(method, path));
        }
    }
    bound_numbers(&mut document);
    document
}

/// What is never below zero has no sign, and goes further for that.
fn bound_numbers(schema: &mut Value) {
    let is_unsigned = schema.get("minimum").and_then(Value::as_u64).is_some();
    let unsigned = match schema.get("format").and_then(Value::as_str).filter(|_| is_unsigned) {
        Some("int32") => Some(("uint32", u64::from(u32::MAX))),
        Some("int64") => Some(("uint64", u64::MAX)),
        Some(_) | None => None,
    };
    match schema {
        Value::Object(members) => {
            if let Some((format, maximum)) = unsigned {
                members.insert("format".to_owned(), format.into());
                members.entry("maximum").or_insert(maximum.into());
            }
            members.values_mut().for_each(bound_numbers);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn list<'a>(value: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

fn members<'a>(value: &'a mut Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value.pointer_mut(pointer).and_then(Value::as_object_mut).into_iter().flatten()
}

fn set(value: &mut Value, member: &str, words: &str) {
    if let Some(members) = value.as_object_mut() {
        members.insert(member.to_owned(), words.into());
    }
}

/// A name for programs, as in `get_messages_id_explanation`.
fn id(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/v1/").replace(['{', '}'], "");
    format!("{method}_{}", path.replace(['/', '-'], "_"))
}

/// It, written.
pub(super) fn written(document: &Value) -> Bytes {
    let mut written = format!("{document:#}");
    written.push('\n');
    written.into()
}

/// It, as an answer.
pub(super) fn answer(written: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], written).into_response()
}
