//! Whatever cannot be done is answered with a problem document.

use reqwest::{Method, StatusCode, header};

use crate::stage::{CLERK, READER, SENDER, Stage, answer};

async fn check(request: reqwest::RequestBuilder, expected: StatusCode) {
    let response = request.send().await.unwrap();
    let written_as = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let (status, problem) = answer(response).await;
    assert_eq!(status, expected, "{problem}");
    assert_eq!(written_as, "application/problem+json", "{problem}");
    assert_eq!(problem["status"], expected.as_u16(), "{problem}");
    assert!(problem["type"].as_str().unwrap().starts_with("urn:tropomq:problem:"), "{problem}");
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_does_not_fit_is_a_problem_document() {
    let stage = Stage::set().await;
    let get = |path: &str| stage.ask(CLERK, Method::GET, path);
    let post = |path: &str| stage.ask(SENDER, Method::POST, path);
    check(get("/v1/nothing"), StatusCode::NOT_FOUND).await;
    check(get("/v1/messages/no-such-id"), StatusCode::NOT_FOUND).await;
    check(get("/v1/messages?lines=1"), StatusCode::BAD_REQUEST).await;
    check(get("/v1/messages/export?format=pdf"), StatusCode::BAD_REQUEST).await;
    check(get("/v1/messages/export?lines=1"), StatusCode::BAD_REQUEST).await;
    check(get("/v1/messages/%FF"), StatusCode::BAD_REQUEST).await;
    check(get("/v1/events?after=x"), StatusCode::BAD_REQUEST).await;
    check(get("/v1/balance?settle=soon"), StatusCode::BAD_REQUEST).await;
    check(get("/v1/backends/none/opt-outs"), StatusCode::NOT_FOUND).await;
    check(get("/v1/phones"), StatusCode::NOT_FOUND).await;
    check(stage.ask(CLERK, Method::DELETE, "/v1/messages"), StatusCode::METHOD_NOT_ALLOWED).await;
    let json = (header::CONTENT_TYPE, "application/json");
    check(post("/v1/messages").header(json.0.clone(), json.1).body("{"), StatusCode::BAD_REQUEST).await;
    check(post("/v1/messages").header(json.0.clone(), json.1).body(r#"{"a":1}"#), StatusCode::BAD_REQUEST).await;
    check(post("/v1/messages").body("{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    let long = "x".repeat(chassis::http::Limits::default().body_bytes_max + 1);
    check(post("/v1/messages").header(json.0, json.1).body(long), StatusCode::PAYLOAD_TOO_LARGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_which_scope_is_missing() {
    let stage = Stage::set().await;
    check(stage.ask(SENDER, Method::GET, "/v1/messages"), StatusCode::FORBIDDEN).await;
    check(stage.ask(READER, Method::GET, "/v1/messages?q=hello"), StatusCode::FORBIDDEN).await;
    check(stage.ask(READER, Method::GET, "/v1/messages?q=0177"), StatusCode::FORBIDDEN).await;
    check(stage.ask(READER, Method::GET, "/v1/backends/b/opt-outs"), StatusCode::FORBIDDEN).await;
    check(stage.ask(READER, Method::GET, "/v1/debugger"), StatusCode::FORBIDDEN).await;
    check(stage.ask("nobody", Method::GET, "/v1/messages"), StatusCode::UNAUTHORIZED).await;
}
