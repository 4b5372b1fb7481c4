//! What commands are told of a console that is away, that says no, and of what is no console.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::stand::{Stand, client, problem};
use super::*;

async fn asked(client: &Client) -> ApiError {
    client.get::<Value>(&["v1", "it"], &[]).await.unwrap_err()
}

#[track_caller]
fn check(error: ApiError, code: u8, words: &str) {
    let told = error.to_string();
    assert_eq!((error.code(), told.contains(words)), (code, true), "{told}");
    assert!(!told.contains(char::is_control), "{told:?}");
    let ended: anyhow::Error = error.into();
    assert_eq!(ended.downcast_ref::<chassis::exit::Ended>().map(|ended| ended.code), Some(code));
}

#[tokio::test]
async fn a_console_that_is_away_is_told_with_where_it_was_sought() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = asked(&client(address, None)).await;
    assert!(error.may_pass());
    check(error, 69, &format!("nobody answers at http://{address}/below: is `tropomq up` or `tropomq console`"));
}

#[tokio::test]
async fn what_the_console_says_no_to_has_its_words_and_an_exit_code() {
    for (status, more, code, words) in [
        (400, json!({}), 1, "so\u{fffd}[2J"),
        (404, json!({}), 1, "so"),
        (403, json!({}), 77, "so"),
        (503, json!({}), 69, "so"),
        (503, json!({ "may_be_sent": false }), 69, "so"),
        (503, json!({ "may_be_sent": true }), 75, "so"),
    ] {
        let route = get(move || std::future::ready(problem(status, &more)));
        let stand = Stand::new(Router::new().route("/below/v1/it", route)).await;
        let error = asked(&stand.client(None)).await;
        assert_eq!(error.may_pass(), status == 503);
        check(error, code, words);
    }
}

#[tokio::test]
async fn who_is_not_known_hears_what_to_do() {
    let route = get(|| std::future::ready(problem(401, &json!({}))));
    let stand = Stand::new(Router::new().route("/below/v1/it", route)).await;
    check(asked(&stand.client(None)).await, 77, "put one of its console.tokens into TROPOMQ_TOKEN");
    check(asked(&stand.client(Some("t"))).await, 77, "does not know the token in TROPOMQ_TOKEN");
}

#[tokio::test]
async fn a_gateway_that_finds_no_console_is_asked_again() {
    for status in [502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        let route = get(move || std::future::ready((status, "<h1>Nobody is there</h1>")));
        let stand = Stand::new(Router::new().route("/below/v1/it", route)).await;
        let error = asked(&stand.client(None)).await;
        assert!(error.may_pass() && !error.is_away());
        check(error, 75, status.as_str());
    }
}

#[tokio::test]
async fn what_is_no_console_is_not_believed() {
    let nonsense = Router::new()
        .route("/below/v1/it", get(async || "welcome"))
        .route("/below/v1/page", get(async || (StatusCode::NOT_FOUND, "no such page")))
        .route("/below/v1/moved", get(async || (StatusCode::FOUND, [(header::LOCATION, "/below/v1/it")])))
        .route("/below/v1/lines", get(async || vec![b'a', b'\n', 0xff, b'\n']));
    let stand = Stand::new(nonsense).await;
    let client = stand.client(Some("t"));
    check(asked(&client).await, 69, "unreadable at line 1");
    for path in ["page", "moved"] {
        let error = client.get::<Value>(&["v1", path], &[]).await.unwrap_err();
        check(error, 69, "no console of this version: it answers");
    }
    let mut lines = client.follow(&["v1", "lines"], &[], None).await.unwrap();
    assert_eq!(lines.next().await.unwrap().as_deref(), Some("a"));
    check(lines.next().await.unwrap_err(), 69, "UTF-8");
}

#[tokio::test]
async fn the_token_is_shown_and_a_query_is_escaped() {
    let echo = get(async |headers: HeaderMap, uri: axum::http::Uri| {
        let shown = headers.get(AUTHORIZATION).and_then(|shown| shown.to_str().ok()).unwrap_or_default();
        axum::Json(json!([shown, uri.query()]))
    });
    let stand = Stand::new(Router::new().route("/below/v1/a%2Fb", echo)).await;
    let got: Value = stand.client(Some("secret")).get(&["v1", "a/b"], &[("q", "a&b=ç +1")]).await.unwrap();
    assert_eq!(got, json!(["Bearer secret", "q=a%26b%3D%C3%A7+%2B1"]));
    assert!(Client::at("http://127.0.0.1".parse().unwrap(), Some(&"a\nb".into())).is_err());
}

#[tokio::test]
async fn lines_come_whole_however_they_are_cut() {
    let body = ["{\"a\"", ":1}\r\n{\"b\":2}\n\n", "the rest"];
    let pieces = futures::stream::iter(body.map(Ok::<_, std::io::Error>));
    let body = Arc::new(Mutex::new(Some(axum::body::Body::from_stream(pieces))));
    let route = get(move || std::future::ready(body.lock().unwrap().take().unwrap().into_response()));
    let stand = Stand::new(Router::new().route("/below/v1/lines", route)).await;
    let mut lines = stand.client(None).follow(&["v1", "lines"], &[], None).await.unwrap();
    let mut heard = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        heard.push(line);
    }
    assert_eq!(heard, ["{\"a\":1}", "{\"b\":2}", ""]);
}
