//! Tropo's session API: a token launches a session (Tropo WebAPI: session API).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chassis::http::BodyRejection;
use futures::{StreamExt, stream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tropo::launch::{LaunchReply, LaunchRequest, ReplyFormat, RequestError};

use crate::Simulator;
use crate::debugger::wording;
use crate::knobs::{BadToken, CreatePlan, CreateReply};
use crate::session::opening::CallBack;
use crate::session::pause;

/// What Tropo said of a token that launches nothing.
const INVALID_TOKEN: &str = "invalid token";

pub(super) async fn create(
    State(simulator): State<Arc<Simulator>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<chassis::http::Body, BodyRejection>,
) -> Response {
    let body = match body {
        // Whatever a client sends along with a GET, Tropo did not look at it.
        _ if method == Method::GET => Bytes::new(),
        Ok(chassis::http::Body(body)) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let plan = simulator.control.plan_create();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE);
    let format = format(&method, text(header::ACCEPT), content_type, &body);
    let response = match (plan.failure, LaunchRequest::read(method.as_str(), uri.query(), content_type, &body)) {
        (Some((status, retry_after)), _) => failure(&simulator, status, retry_after),
        (None, Ok((request, _))) => launch(&simulator, &request, plan, format).await,
        (None, Err(RequestError::Token)) => bad_token(&simulator, plan.bad_token, format),
        (None, Err(error @ RequestError::Method)) => {
            refusal(StatusCode::METHOD_NOT_ALLOWED, format, &error.to_string())
        }
        (None, Err(error @ (RequestError::Body | RequestError::Action | RequestError::Signal))) => {
            refusal(StatusCode::BAD_REQUEST, format, &error.to_string())
        }
    };
    hang(response, plan.hang, simulator.request_timeout / 2).await
}

/// Holds an answer back. The listener grants its head so long at most, so what is left of it holds up the body.
async fn hang(response: Response, duration: Duration, head_max: Duration) -> Response {
    pause(duration.min(head_max)).await;
    let rest = duration.saturating_sub(head_max);
    if rest.is_zero() {
        return response;
    }
    let waited = stream::once(pause(rest)).map(|()| Ok(Bytes::new()));
    response.map(|body| Body::from_stream(waited.chain(body.into_data_stream())))
}

/// The format of the reply follows the request. A GET alone may ask for JSON, by accepting nothing else.
pub(super) fn format(method: &Method, accept: Option<&str>, content_type: Option<&str>, body: &[u8]) -> ReplyFormat {
    if method == Method::GET && accept.is_some_and(|accept| accept.trim().eq_ignore_ascii_case("application/json")) {
        return ReplyFormat::Json;
    }
    ReplyFormat::of_request(method.as_str(), content_type, body)
}

async fn launch(
    simulator: &Arc<Simulator>,
    request: &LaunchRequest,
    plan: CreatePlan,
    format: ReplyFormat,
) -> Response {
    let Some((application, channel)) = simulator.applications.of_token(&request.token) else {
        return bad_token(simulator, plan.bad_token, format);
    };
    // Two promises: this request is answered, and its call-back is. Each is kept when its guard is dropped, so also
    // when whoever asked has gone.
    let (create_answered, called_back) = (CancellationToken::new(), CancellationToken::new());
    let create_guard = create_answered.clone().drop_guard();
    let gate = (!plan.callback_first).then_some(create_answered);
    let call_back = CallBack { gate, answered: called_back.clone().drop_guard(), format };
    let id = match simulator.launch(&application, &channel, request, call_back) {
        Ok(id) => id,
        Err(error) => return refusal(StatusCode::SERVICE_UNAVAILABLE, format, &error.to_string()),
    };
    if plan.callback_first {
        called_back.cancelled().await;
    }
    let line_end = if plan.id_line_end { "\r\n" } else { "" };
    let reply = LaunchReply {
        success: true,
        token: Some(request.token.clone()),
        id: Some(format!("{id}{line_end}")),
        error: None,
    };
    let (content_type, body) = written(&reply, plan.reply, format);
    until_sent(content_type, body, create_guard)
}

fn written(reply: &LaunchReply, form: CreateReply, format: ReplyFormat) -> (&'static str, Vec<u8>) {
    let in_format = |format: ReplyFormat| (format.content_type(), reply.to_body(format));
    match form {
        CreateReply::AsAsked => in_format(format),
        CreateReply::Json => in_format(ReplyFormat::Json),
        CreateReply::Xml => in_format(ReplyFormat::Xml),
        CreateReply::Form => in_format(ReplyFormat::Form),
        CreateReply::Html => {
            ("text/html; charset=utf-8", b"<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n".to_vec())
        }
        CreateReply::Garbage => ("application/octet-stream", vec![0xff, 0x00, b'{', b'"', 0xfe, b'<', b'=']),
        CreateReply::Empty => ("text/plain", Vec::new()),
    }
}

/// An answer that holds on to a guard until it has been handed to the connection, or cannot be.
fn until_sent(content_type: &'static str, body: Vec<u8>, guard: DropGuard) -> Response {
    let length = body.len();
    let parts = stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    let held = parts.inspect(move |_| {
        let _until_the_stream_is_dropped = &guard;
    });
    // Its length is known, and naive clients want to be told.
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(content_type)), (header::CONTENT_LENGTH, length.into())];
    (headers, Body::from_stream(held)).into_response()
}

/// What a knob wants instead of a session.
fn failure(simulator: &Simulator, status: StatusCode, retry_after: Option<Duration>) -> Response {
    let line = format_args!("A request for a session is answered with status {status}, as the knobs say");
    simulator.debugger.log(None, wording::ours(line));
    let mut response = (status, status.canonical_reason().unwrap_or_default()).into_response();
    if let Some(retry_after) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(retry_after)));
    }
    response
}

/// Rounded up: who comes again at once has not waited.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() != 0)
}

fn bad_token(simulator: &Simulator, style: BadToken, format: ReplyFormat) -> Response {
    simulator.debugger.log(None, wording::ours("A request for a session has no token that launches anything"));
    match style {
        BadToken::False => refusal(StatusCode::OK, format, INVALID_TOKEN),
        BadToken::Empty => StatusCode::OK.into_response(),
        BadToken::Unauthorized => refusal(StatusCode::UNAUTHORIZED, format, INVALID_TOKEN),
        BadToken::Forbidden => refusal(StatusCode::FORBIDDEN, format, INVALID_TOKEN),
    }
}

fn refusal(status: StatusCode, format: ReplyFormat, error: &str) -> Response {
    let reply = LaunchReply { success: false, error: Some(error.to_owned()), ..LaunchReply::default() };
    (status, [(header::CONTENT_TYPE, format.content_type())], reply.to_body(format)).into_response()
}
