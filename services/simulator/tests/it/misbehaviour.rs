//! Applications that fail, and the knobs.

use std::future::ready;
use std::time::{Duration, Instant};

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use chassis::http::Limits;
use serde_json::json;
use simulator::Config;

use crate::stage::{PHONE, Posted, Reply, Stage};

fn says(_: &Posted) -> Reply {
    Reply::document(&json!({"tropo": [{"say": {"value": "hello"}}, {"on": {"event": "continue", "next": "/c"}}]}))
}

fn texts(posted: &Posted) -> Reply {
    if posted.body["session"].is_null() {
        return Reply::hangup();
    }
    let message = json!({"to": PHONE, "say": {"value": "hello"}, "network": "SMS"});
    Reply::document(&json!({"tropo": [{"message": message}, {"on": {"event": "continue", "next": "/c"}}]}))
}

#[tokio::test]
async fn an_answer_that_is_not_2xx_ends_the_session_and_is_not_asked_for_again() {
    for code in [301, 302, 400, 404, 500, 503] {
        let stage =
            Stage::new(move |_| Reply::raw(code, "application/json", r#"{"tropo":[{"say":{"value":"x"}}]}"#)).await;
        let session = stage.text(PHONE, "hi").await;
        let ended = stage.ended(&session).await;
        assert_eq!((&ended["state"], &ended["first_webhook"]), (&json!("failed"), &json!({"answered": code})));
        let url = format!("http://{}/tropo/hook?auth=s3cret", stage.application());
        let line = format!("#TROPO#: Received non-2XX status code on Tropo-Thread-{session} [url={url}, code={code}]");
        assert!(stage.lines(&session).await.contains(&line));
        assert_eq!(stage.posted().len(), 1);
        assert_eq!(stage.get(&format!("/phones/{PHONE}/messages")).await.1, json!([]));
    }
    for code in [201, 202] {
        let stage =
            Stage::new(move |_| Reply::raw(code, "application/json", r#"{"tropo":[{"say":{"value":"x"}}]}"#)).await;
        stage.text(PHONE, "hi").await;
        assert_eq!(stage.texts(PHONE, 1).await, ["x"]);
    }
}

#[tokio::test]
async fn an_application_that_is_slow_or_away_or_talks_for_ever_is_given_up() {
    let config = Config { webhook_timeout: Duration::from_millis(50), ..Config::default() };
    let stage = Stage::set(config, |_| Box::pin(std::future::pending())).await;
    let session = stage.text(PHONE, "hi").await;
    let ended = stage.ended(&session).await;
    assert_eq!((&ended["state"], &ended["first_webhook"]), (&json!("failed"), &json!("unanswered")));
    let lines = stage.lines(&session).await;
    assert!(lines.iter().any(|line| line.contains("gave no document: no answer within 50ms")), "{lines:#?}");

    let stage = Stage::new(|_| Reply::raw(200, "application/json", vec![b' '; 2 * 1024 * 1024])).await;
    let session = stage.text(PHONE, "hi").await;
    stage.ended(&session).await;
    let lines = stage.lines(&session).await;
    assert!(lines.iter().any(|line| line.contains("more than 1048576 bytes")), "{lines:#?}");

    // A port that was just free, and that nobody listens on.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let added = json!({"name": "away", "messaging_url": format!("http://{gone}/"), "messaging_token": "T2"});
    assert_eq!(stage.post("/applications", &added).await.0, 201);
    let (_, answer) = stage.post("/1.0/sessions", &json!({"token": "T2"})).await;
    let session = answer["id"].as_str().unwrap();
    let ended = stage.ended(session).await;
    assert_eq!((&ended["state"], &ended["first_webhook"]), (&json!("failed"), &json!("unreachable")));
    let lines = stage.lines(session).await;
    assert!(lines.iter().any(|line| line.contains("gave no document: no answer: ")), "{lines:#?}");
}

#[tokio::test]
async fn requests_for_a_session_fail_as_the_knobs_say() {
    let stage = Stage::new(texts).await;
    stage.set_knobs(json!({"create_status": 429, "retry_after": "7s"})).await;
    for _ in 0..2 {
        let answer = stage.launch().await;
        assert_eq!((answer.status().as_u16(), answer.headers()[RETRY_AFTER].to_str().unwrap()), (429, "7"));
    }
    stage.set_knobs(json!({"create_status": 429, "retry_after": "20ms"})).await;
    assert_eq!(stage.launch().await.headers()[RETRY_AFTER], "1");
    stage.set_knobs(json!({"fail_next_creates": 2})).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(stage.launch().await.status().as_u16());
    }
    assert_eq!(statuses, [500, 500, 200]);
    assert_eq!(stage.get("/knobs").await.1["fail_next_creates"], 0);

    let mishaps = async || {
        stage.set_knobs(json!({"seed": 42, "create_errors": 0.5, "create_error_status": 503})).await;
        let mut statuses = Vec::new();
        for _ in 0..16 {
            statuses.push(stage.launch().await.status().as_u16());
        }
        statuses
    };
    let first = mishaps().await;
    assert!(first.contains(&503) && first.contains(&200), "{first:?}");
    assert_eq!(mishaps().await, first);
}

#[tokio::test]
async fn the_reply_takes_every_form_and_the_session_is_there_all_the_same() {
    let stage = Stage::new(texts).await;
    for (count, (form, content_type, begins)) in [
        ("as_asked", "application/json; charset=utf-8", "{\"success\":true,\"token\":\"TESTTOKEN\",\"id\":\""),
        ("json", "application/json; charset=utf-8", "{\"success\":true,"),
        ("xml", "application/xml; charset=utf-8", "<session><success>true</success><token>TESTTOKEN</token><id>"),
        ("form", "application/x-www-form-urlencoded", "success=true&token=TESTTOKEN&id="),
        ("html", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("garbage", "application/octet-stream", "\u{fffd}"),
        ("empty", "text/plain", ""),
    ]
    .into_iter()
    .enumerate()
    {
        stage.set_knobs(json!({"create_reply": form})).await;
        let answer = stage.launch().await;
        assert_eq!((answer.status().as_u16(), answer.headers()[CONTENT_TYPE].to_str().unwrap()), (200, content_type));
        let text = answer.text().await.unwrap();
        assert!(text.starts_with(begins) && text.is_empty() == (form == "empty"), "{form}: {text}");
        assert_eq!(stage.texts(PHONE, count + 1).await.len(), count + 1);
    }
    stage.set_knobs(json!({"id_line_end": true})).await;
    assert!(stage.launch().await.text().await.unwrap().ends_with("\\r\\n\"}"));
}

#[tokio::test]
async fn call_backs_are_dropped_and_delayed_as_the_knobs_say() {
    let stage = Stage::new(texts).await;
    stage.set_knobs(json!({"drop_next_callbacks": 1, "callback_delay": "50ms", "webhook_latency": "10ms"})).await;
    let dropped = stage.launched().await;
    assert_eq!(stage.ended(&dropped).await["state"], "dropped");
    assert!(stage.posted().is_empty());

    let began = Instant::now();
    let session = stage.launched().await;
    assert_eq!(stage.messages(PHONE, 1).await[0]["session_id"], session.as_str());
    assert!(Duration::from_millis(60) <= began.elapsed());
}

#[tokio::test]
async fn a_reply_that_hangs_costs_no_session() {
    let stage = Stage::new(texts).await;
    stage.set_knobs(json!({"create_hang": "60s"})).await;
    let request = stage.http.post(stage.url("/1.0/sessions")).json(&json!({"token": "TESTTOKEN"}));
    let error = request.timeout(Duration::from_millis(100)).send().await.unwrap_err();
    assert!(error.is_timeout());
    // Whoever asked has gone; it is called back all the same.
    assert_eq!(stage.texts(PHONE, 1).await, ["hello"]);
}

/// The listener answers 503 for a handler that takes longer than it may: the body hangs in its place.
#[tokio::test]
async fn a_reply_hangs_longer_than_the_listener_grants_a_request() {
    let limits = Limits { request_timeout: Duration::from_millis(20), ..Limits::default() };
    let stage = Stage::set(Config { limits, ..Config::default() }, |posted| Box::pin(ready(texts(&posted)))).await;
    stage.set_knobs(json!({"create_hang": "1h"})).await;
    let mut answer = stage.launch().await;
    assert_eq!(answer.status(), 200);
    assert!(tokio::time::timeout(Duration::from_millis(50), answer.chunk()).await.is_err());
    stage.set_knobs(json!({"create_hang": "100ms"})).await;
    let began = Instant::now();
    stage.launched().await;
    assert!(Duration::from_millis(100) <= began.elapsed());
}

#[tokio::test]
async fn a_webhook_that_comes_twice_is_performed_once() {
    let stage = Stage::new(says).await;
    stage.set_knobs(json!({"duplicate_webhooks": 1, "results": false})).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["state"], "dropped");
    let posted = stage.webhooks(2).await;
    assert_eq!((posted.len(), &posted[0].raw), (2, &posted[1].raw));
    assert_eq!(stage.texts(PHONE, 1).await, ["hello"]);
    let lines = stage.lines(&session).await;
    assert!(lines.iter().any(|line| line.ends_with("its result is not posted: results")), "{lines:#?}");
}
