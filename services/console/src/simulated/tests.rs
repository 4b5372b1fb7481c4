use std::future::pending;

use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// A simulator that says which question it was asked, below a path of its own.
async fn stage(tasks: &mut JoinSet<()>) -> Simulated {
    let asked = async |RawQuery(query): RawQuery| {
        let text = query.unwrap_or_default();
        Json(json!([{ "line": 7, "session_id": null, "at": "2026-03-01T09:30:15Z", "text": text }]))
    };
    let texted = async |Path(phone): Path<String>, Json(body): Json<Value>| match phone.as_str() {
        "+15555550177" if body == json!({ "to": "+15555550100", "text": "hi", "network": "SMS" }) => {
            Ok((StatusCode::ACCEPTED, Json(json!({ "session_id": "a1", "encoding": "gsm7", "parts": 1 }))))
        }
        _ => Err((StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "too many sessions" })))),
    };
    let routes = Router::new()
        .route("/sim/debugger", get(asked))
        .route("/sim/phones", get(async || "no JSON"))
        .route("/sim/phones/{phone}/texts", post(texted))
        .route("/sim/phones/{phone}/messages", get(async || "x".repeat(ANSWER_BYTES_MAX + 1)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}/sim/", listener.local_addr().unwrap());
    tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    simulated(&at)
}

fn simulated(at: &str) -> Simulated {
    chassis::tls::install_provider();
    Simulated::new(at.parse().unwrap()).unwrap()
}

fn address(written: &str) -> Address {
    written.parse().unwrap()
}

fn texting() -> Texting {
    Texting { to: address("+15555550100"), text: "hi".parse().unwrap(), network: Network::sms() }
}

#[tokio::test]
async fn no_line_has_a_secret() {
    let line = r#"#TROPO#: Sending [url=http://h/tropo/a/s3cret]: {"parameters":{"token":"s3cret","ticket":"s3cret"}}"#;
    let lines =
        async move || Json(json!([{ "line": 7, "session_id": null, "at": "2026-03-01T09:30:15Z", "text": line }]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}/", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, Router::new().route("/debugger", get(lines))).await.unwrap() });
    let lines = simulated(&at).lines(None, Lines::Last(1)).await.unwrap();
    let masked = r#"#TROPO#: Sending [url=http://h/tropo/a/…]: {"parameters":{"token":"…","ticket":"…"}}"#;
    assert_eq!(lines[0].text, masked);
}

#[tokio::test]
async fn lines_are_asked_for_by_number_and_session() {
    let mut tasks = JoinSet::new();
    let simulated = stage(&mut tasks).await;
    let session = "a&b".parse().unwrap();
    for (session, lines, expected) in [
        (None, Lines::Last(5), "last=5"),
        (None, Lines::Last(u32::MAX), "last=1000"),
        (Some(&session), Lines::After(3, 20), "after=3&limit=20&session=a%26b"),
    ] {
        let lines = simulated.lines(session, lines).await.unwrap();
        assert_eq!((lines[0].line, lines[0].text.as_str()), (7, expected));
    }
}

#[tokio::test]
async fn a_phone_texts_or_the_refusal_says_why() {
    let mut tasks = JoinSet::new();
    let simulated = stage(&mut tasks).await;
    let texted = simulated.text(&address("+15555550177"), &texting()).await.unwrap();
    assert_eq!(texted, Texted { session_id: Some("a1".parse().unwrap()) });
    let refused = simulated.text(&address("+15555550178"), &texting()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the simulator refuses: too many sessions");
    assert_eq!(Problem::from(refused).status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_no_simulator_is_away_and_nobody_is_named() {
    let mut tasks = JoinSet::new();
    let simulated = stage(&mut tasks).await;
    let unreadable = simulated.phones().await.unwrap_err();
    let endless = simulated.messages(&address("+15555550177"), 0, Duration::ZERO).await.unwrap_err();
    tasks.shutdown().await;
    let gone = simulated.messages(&address("+15555550177"), 0, Duration::ZERO).await.unwrap_err();
    for error in [unreadable, endless, gone] {
        assert!(matches!(error, SimulatedError::Away(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("0177"), "{error:?}");
        assert_eq!(Problem::from(error).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let silent = Router::new().fallback(async || pending::<String>().await);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, silent).await.unwrap() });
    let simulated = simulated(&at);
    assert!(matches!(simulated.phones().await.unwrap_err(), SimulatedError::Away(_)));
}

#[test]
fn an_address_that_cannot_be_asked_is_refused_with_its_key() {
    for wrong in ["mailto:someone", "ftp://127.0.0.1/"] {
        assert_eq!(Simulated::new(wrong.parse().unwrap()).err().unwrap().key, "simulator", "{wrong}");
    }
}
