//! Signals, in each form that clients send them.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::stage::{PHONE, Reply, Stage, assert_line, until};

/// An ask and a wait that signals may interrupt, and their handlers.
fn handlers() -> Value {
    json!({"on": [{"event": "stop", "next": "/stop"}, {"event": "continue", "next": "/c"}]})
}

async fn waiting(stage: &Stage) -> String {
    let session = stage.text(PHONE, "hi").await;
    stage.messages(PHONE, 1).await;
    session
}

async fn send(stage: &Stage, session: &str, signal: &str) {
    let answer = stage.post(&format!("/1.0/sessions/{session}/signals"), &json!({"signal": signal})).await;
    assert_eq!(answer, (200, json!({"status": "QUEUED"})));
}

#[tokio::test]
async fn each_form_of_a_signal_is_answered_in_its_format() {
    let (form, xml) = ("application/x-www-form-urlencoded", "application/xml; charset=utf-8");
    for (path, content_type, body, answered, reply) in [
        ("/1.0/sessions/{}/signals?action=signal&value=stop", "", "", xml, "<signal><status>QUEUED</status></signal>"),
        ("/v1/sessions/{}/signals?action=signal&value=stop", "", "", xml, "<signal><status>QUEUED</status></signal>"),
        ("/1.0/{}/signals?action=signal&value=stop", "", "", xml, "<signal><status>QUEUED</status></signal>"),
        (
            "/v1/{}/signals",
            "application/json",
            r#"{"signal":"stop"}"#,
            "application/json; charset=utf-8",
            r#"{"status":"QUEUED"}"#,
        ),
        ("/1.0/sessions/{}/signals/", form, "signal=stop", form, "status=QUEUED"),
        ("/1.0/sessions/{}%0D%0A/signals", form, "value=stop", form, "status=QUEUED"),
        (
            "/v1/sessions/{}/signals/",
            "text/xml",
            "<signal><value>stop</value></signal>",
            xml,
            "<signal><status>QUEUED</status></signal>",
        ),
    ] {
        let stage = Stage::with(json!([{"say": {"value": "."}}, {"wait": {"milliseconds": 60_000}}, handlers()])).await;
        let session = waiting(&stage).await;
        let url = stage.url(&path.replace("{}", &session));
        let request = match content_type {
            "" => stage.http.get(url),
            _ => stage.http.post(url).header(CONTENT_TYPE, content_type).body(body),
        };
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()[CONTENT_TYPE].to_str().unwrap()),
            (200, answered),
            "{path}"
        );
        assert_eq!(answer.text().await.unwrap(), reply, "{path}");
        let result = stage.result("/stop").await;
        assert_eq!(result["actions"]["disposition"], "EXTERNAL_EVENT");
        assert_eq!((&result["complete"], &result["state"]), (&json!(true), &json!("ANSWERED")));
    }
}

#[tokio::test]
async fn a_signal_for_nobody_and_a_request_that_is_none_are_told() {
    let stage = Stage::with(json!([{"hangup": null}])).await;
    let session = stage.text(PHONE, "hi").await;
    stage.ended(&session).await;
    for id in ["nowhere", &session, "a%20b"] {
        let (status, answer) = stage.post(&format!("/1.0/sessions/{id}/signals"), &json!({"signal": "stop"})).await;
        assert_eq!((status, &answer["status"]), (200, &json!("NOTFOUND")), "{id}");
    }
    let request = stage.http.get(stage.url("/1.0/sessions/x/signals?action=signal&value=stop"));
    let (status, answer) = crate::stage::read(request.header(ACCEPT, "application/json").send().await.unwrap()).await;
    assert_eq!((status, answer), (200, json!({"status": "NOTFOUND"})));
    for body in [json!({}), json!({"signal": ""}), json!({"signal": "x", "action": "create"})] {
        let (status, answer) = stage.post("/1.0/sessions/x/signals", &body).await;
        assert_eq!((status, &answer["status"]), (400, &json!("FAILED")), "{body}");
    }
    let stage =
        Stage::with(json!([{"say": {"value": "."}}, {"wait": {"milliseconds": 60_000, "allowSignals": ""}}])).await;
    let session = waiting(&stage).await;
    let long = json!({"signal": "x".repeat(300)});
    assert_eq!(stage.post(&format!("/1.0/sessions/{session}/signals"), &long).await.1["status"], "FAILED");
}

#[tokio::test]
async fn a_question_is_interrupted_and_its_handler_is_the_signals() {
    let ask =
        json!({"ask": {"name": "q", "choices": {"value": "[4 DIGITS]"}, "attempts": 2, "say": {"value": "PIN?"}}});
    let stage = Stage::with(json!([ask, {"say": {"value": "never"}}, handlers()])).await;
    let session = waiting(&stage).await;
    send(&stage, &session, "STOP").await;
    let result = stage.result("/stop").await;
    let action = &result["actions"];
    assert_eq!((&action["name"], &action["disposition"]), (&json!("q"), &json!("EXTERNAL_EVENT")));
    assert_eq!((&action["attempts"], action.get("value")), (&json!(2), None));
    assert_eq!(stage.ended(&session).await["state"], "finished");
    assert_line(&stage.lines(&session).await, "Signal \"STOP\" interrupts the session");
    assert_eq!(stage.texts(PHONE, 1).await, ["PIN?"]);
    // It is over: nobody is there for another.
    let (_, answer) = stage.post(&format!("/1.0/sessions/{session}/signals"), &json!({"signal": "stop"})).await;
    assert_eq!(answer["status"], "NOTFOUND");
}

#[tokio::test]
async fn a_signal_without_a_handler_falls_back_to_continue_and_then_ends_the_session() {
    let wait = json!({"wait": {"milliseconds": 60_000}});
    let stage = Stage::with(json!([{"say": {"value": "."}}, wait, handlers()])).await;
    let session = waiting(&stage).await;
    send(&stage, &session, "other").await;
    assert_eq!(stage.result("/c").await["actions"]["disposition"], "EXTERNAL_EVENT");

    let stage = Stage::with(json!([{"say": {"value": "."}}, wait])).await;
    let session = waiting(&stage).await;
    send(&stage, &session, "other").await;
    assert_eq!(stage.ended(&session).await["state"], "finished");
    assert_eq!(stage.posted().len(), 1);
}

#[tokio::test]
async fn an_action_drops_the_signals_that_it_does_not_allow_until_one_fits() {
    let wait = json!({"wait": {"milliseconds": 60_000, "allowSignals": ["stop", "exit"]}});
    let stage = Stage::with(json!([{"say": {"value": "."}}, wait, handlers()])).await;
    let session = waiting(&stage).await;
    for signal in ["one", "two", "stop"] {
        send(&stage, &session, signal).await;
    }
    stage.result("/stop").await;

    let deaf = json!({"wait": {"milliseconds": 3000, "allowSignals": ""}});
    let stage = Stage::with(json!([{"say": {"value": "."}}, deaf, {"say": {"value": "done"}}, handlers()])).await;
    let session = waiting(&stage).await;
    send(&stage, &session, "stop").await;
    assert_eq!(stage.texts(PHONE, 2).await, [".", "done"]);
    assert_eq!(stage.result("/c").await.get("actions"), None);
}

/// A signal that comes while nothing can be interrupted waits for what can be.
#[tokio::test]
async fn a_signal_waits_for_an_action_that_has_not_begun() {
    let (asked, told) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let (ask, tell) = (std::sync::Arc::clone(&asked), std::sync::Arc::clone(&told));
    let stage = Stage::set(simulator::Config::default(), move |posted| {
        let (ask, tell) = (std::sync::Arc::clone(&ask), std::sync::Arc::clone(&tell));
        Box::pin(async move {
            if posted.body["session"].is_null() {
                return Reply::hangup();
            }
            ask.notify_one();
            tell.notified().await;
            Reply::document(&json!({"tropo": [{"say": {"value": "never"}}, handlers()]}))
        })
    })
    .await;
    let session = stage.text(PHONE, "hi").await;
    asked.notified().await;
    send(&stage, &session, "stop").await;
    told.notify_one();
    let action = stage.result("/stop").await["actions"].clone();
    assert!(action["name"].as_str().unwrap().starts_with("say-"), "{action}");
    stage.ended(&session).await;
    assert_eq!(stage.get(&format!("/phones/{PHONE}/messages")).await.1, json!([]));
}

#[tokio::test]
async fn a_wait_really_waits() {
    let stage = Stage::with(json!([{"wait": {"milliseconds": "150.5"}}, {"say": {"value": "done"}}])).await;
    let began = std::time::Instant::now();
    stage.text(PHONE, "hi").await;
    assert_eq!(stage.texts(PHONE, 1).await, ["done"]);
    assert!(std::time::Duration::from_millis(150) <= began.elapsed());
    for milliseconds in [json!(0), json!(-5), json!("-1e300")] {
        let stage = Stage::with(json!([{"wait": {"milliseconds": milliseconds}}, {"say": {"value": "done"}}])).await;
        let session = stage.text(PHONE, "hi").await;
        until(async || Some(stage.ended(&session).await)).await;
        assert_eq!(stage.texts(PHONE, 1).await, ["done"]);
    }
}

#[tokio::test]
async fn no_signal_passes_for_an_event_of_the_platform() {
    let wait = json!({"wait": {"milliseconds": 600_000}});
    let on = |event: &str| json!({"event": event, "next": format!("/{event}")});
    for signal in ["hangup", " Error ", "incomplete"] {
        let on = json!({"on": [on("hangup"), on("error"), on("incomplete"), on("continue")]});
        let stage = Stage::with(json!([{"say": {"value": "."}}, wait, on])).await;
        let session = waiting(&stage).await;
        send(&stage, &session, signal).await;
        assert_eq!(stage.result("/continue").await["state"], "ANSWERED", "{signal}");
    }
}
