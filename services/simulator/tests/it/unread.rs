//! Texts that a session leaves unread, and what waits when the simulator stops.

use std::time::Duration;

use serde_json::json;
use simulator::Config;

use crate::stage::{NUMBER, PHONE, Reply, Stage, assert_line};

#[tokio::test]
async fn a_text_that_no_question_was_left_for_begins_a_session() {
    // Though there is room for one: the two follow one that has ended.
    let config = Config { sessions_max: 1, ..Config::default() };
    let stage = Stage::set(config, |posted| {
        let catch = json!({"ask": {"choices": {"value": "[ANY]"}, "say": {"value": ""}}});
        let actions = match posted.body["session"]["initialText"].as_str() {
            Some("begin") => json!([catch, {"say": {"value": "wait"}}, {"wait": {"milliseconds": 60_000}}]),
            Some(text) => json!([{"say": {"value": format!("new: {text}")}}]),
            None => json!([]),
        };
        Box::pin(std::future::ready(Reply::document(&json!({"tropo": actions}))))
    })
    .await;
    let session = stage.text(PHONE, "begin").await;
    stage.messages(PHONE, 1).await;
    for text in ["one", "two"] {
        assert_eq!(stage.text(PHONE, text).await, session);
    }
    assert_eq!(stage.post(&format!("/sessions/{session}/hangup"), &json!(null)).await.0, 202);
    // One session at a time, in the order of the texts.
    assert_eq!(stage.texts(PHONE, 3).await, ["wait", "new: one", "new: two"]);
    let lines = stage.lines(&session).await;
    assert_line(&lines, "A text that nothing asked for begins session ");
    assert_line(&lines, ", and 1 more wait for that one");
    let (_, phones) = stage.get("/phones").await;
    assert_eq!(phones[0]["sent"], 3);
}

#[tokio::test]
async fn a_text_that_one_session_left_answers_the_question_of_another() {
    let stage = Stage::new(|posted| {
        let ask =
            json!({"ask": {"choices": {"value": "[ANY]"}, "say": {"value": "Well?"}, "name": "q", "timeout": 600}});
        let session = &posted.body["session"];
        let actions = match (session.is_null(), session["initialText"].as_str()) {
            (true, _) => json!([]),
            (false, Some(_)) => json!([ask, {"say": {"value": "wait"}}, {"wait": {"milliseconds": 600_000}}]),
            (false, None) => {
                json!([{"call": {"to": PHONE, "network": "SMS"}}, ask, {"on": {"event": "continue", "next": "/c"}}])
            }
        };
        Reply::document(&json!({"tropo": actions}))
    })
    .await;
    let session = stage.text(PHONE, "begin").await;
    stage.messages(PHONE, 1).await;
    assert_eq!(stage.text(PHONE, "mine").await, session);
    let launched = stage.launched().await;
    stage.messages(PHONE, 2).await;
    assert_eq!(stage.post(&format!("/sessions/{session}/hangup"), &json!(null)).await.0, 202);
    assert_eq!(stage.result("/c").await["actions"]["value"], "mine");
    assert_eq!(stage.ended(&launched).await["state"], "finished");
    let line = format!("A text that nothing asked for goes to session {launched}");
    stage.ended(&session).await;
    assert_line(&stage.lines(&session).await, &line);
}

#[tokio::test]
async fn what_waits_when_the_simulator_stops_is_told_though_all_else_is_hidden() {
    let ask = json!({"ask": {"choices": {"value": "[ANY]"}}});
    let stage = Stage::with(json!([
        {"generalLogSecurity": "suppress"}, ask, {"say": {"value": "wait"}}, {"wait": {"milliseconds": 600_000}},
    ]))
    .await;
    let session = stage.text(PHONE, "begin").await;
    stage.messages(PHONE, 1).await;
    assert_eq!(stage.text(PHONE, "lost").await, session);
    assert_eq!(stage.simulator.stop(Duration::from_secs(15)).await, 0);
    assert_line(&stage.lines(&session).await, "A text that nothing asked for is lost: the simulator is stopping");
    let texting = json!({"to": NUMBER, "text": "late"});
    assert_eq!(stage.post(&format!("/phones/{PHONE}/texts"), &texting).await.0, 503);
    assert_eq!(stage.get("/phones").await.1[0]["sent"], 2);
}

#[tokio::test]
async fn nothing_that_a_session_waits_for_keeps_the_simulator_from_stopping() {
    for knobs in [
        json!({"callback_delay": "600s"}),
        json!({"webhook_latency": "600s"}),
        json!({"reorder_webhooks": 1, "reorder_within": "600s"}),
    ] {
        let stage = Stage::with(json!([])).await;
        stage.set_knobs(knobs.clone()).await;
        let session = stage.launched().await;
        assert_eq!(stage.simulator.stop(Duration::from_secs(15)).await, 0, "{knobs}");
        assert_line(&stage.lines(&session).await, "The session ends: the simulator is stopping");
        assert_eq!((stage.ended(&session).await["state"].as_str(), stage.posted().len()), (Some("failed"), 0));
    }
}
