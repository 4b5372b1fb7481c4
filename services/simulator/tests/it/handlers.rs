//! Handlers that say and ask, phones that hang up, and sessions that are redirected.

use serde_json::{Value, json};

use crate::stage::{NUMBER, PHONE, Stage, assert_line};

fn ask(name: &str) -> Value {
    json!({"name": name, "choices": {"value": "[ANY]"}, "say": {"value": format!("{name}?")}, "timeout": 20})
}

/// Texts, and answers each question but the last.
async fn talk(stage: &Stage, answers: &[&str]) -> String {
    let session = stage.text(PHONE, "hi").await;
    for (count, answer) in answers.iter().enumerate() {
        stage.messages(PHONE, count + 1).await;
        assert_eq!(stage.text(PHONE, answer).await, session);
    }
    session
}

#[tokio::test]
async fn a_handler_says_and_asks_before_it_goes_on() {
    let on = json!({"event": "continue", "say": {"value": "One more."}, "ask": ask("more"), "next": "/c"});
    let stage = Stage::with(json!([{"on": on}, {"ask": ask("first")}])).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.texts(PHONE, 2).await, ["One more.", "more?"]);
    stage.text(PHONE, "yes").await;
    let actions = stage.result("/c").await["actions"].clone();
    let found: Vec<_> = actions.as_array().unwrap().iter().map(|action| (&action["name"], &action["value"])).collect();
    assert_eq!(found, [(&json!("first"), &json!("hi")), (&json!("more"), &json!("yes"))]);
    assert_eq!(stage.ended(&session).await["state"], "finished");
}

#[tokio::test]
async fn a_handler_goes_on_though_its_question_has_no_answer() {
    let mut question = ask("more");
    question["timeout"] = json!(0.02);
    let on = json!({"on": {"event": "continue", "ask": question, "next": "/c"}});
    let stage = Stage::with(json!([{"ask": ask("first")}, on])).await;
    stage.text(PHONE, "hi").await;
    let result = stage.result("/c").await;
    assert_eq!((&result["complete"], &result["actions"][1]["disposition"]), (&json!(true), &json!("TIMEOUT")));
}

#[tokio::test]
async fn the_handlers_of_a_question_count_after_those_of_the_document() {
    let mut question = ask("q");
    question["on"] = json!([{"event": "continue", "next": "/own"}]);
    let stage = Stage::with(json!([{"ask": question}])).await;
    stage.text(PHONE, "hi").await;
    stage.result("/own").await;
    let stage = Stage::with(json!([{"ask": question}, {"on": {"event": "continue", "next": "/c"}}])).await;
    stage.text(PHONE, "hi").await;
    stage.result("/c").await;
}

/// The session that waits for an answer, and what its hangup handler heard.
async fn hung_up(path: &str, body: &Value) -> Value {
    let on = json!([{"event": "hangup", "next": "/h"}, {"event": "continue", "next": "/c"},
                    {"event": "incomplete", "next": "/i"}]);
    let stage = Stage::with(json!([{"ask": ask("first")}, {"ask": ask("second")}, {"on": on}])).await;
    let session = talk(&stage, &[]).await;
    stage.messages(PHONE, 1).await;
    let (status, answer) = stage.post(&path.replace("{}", &session), body).await;
    assert_eq!((status, answer), (202, json!({"session_ids": [session]})));
    let result = stage.result("/h").await;
    assert_eq!(stage.ended(&session).await["state"], "hung_up");
    assert_eq!(stage.posted().len(), 2);
    assert_line(&stage.lines(&session).await, "The phone hung up");
    // Whoever texts again begins anew.
    assert_ne!(stage.text(PHONE, "again").await, session);
    result
}

#[tokio::test]
async fn a_phone_that_hangs_up_interrupts_the_question() {
    for (path, body) in [
        (format!("/phones/{PHONE}/hangup"), json!({"to": NUMBER})),
        (format!("/phones/{PHONE}/hangup"), json!({"to": NUMBER, "network": "sms"})),
        ("/sessions/{}/hangup".to_owned(), json!(null)),
    ] {
        let result = hung_up(&path, &body).await;
        assert_eq!((&result["state"], &result["complete"]), (&json!("DISCONNECTED"), &json!(true)));
        let actions = result["actions"].as_array().unwrap();
        let found: Vec<_> = actions.iter().map(|action| (&action["name"], &action["disposition"])).collect();
        assert_eq!(found, [(&json!("first"), &json!("SUCCESS")), (&json!("second"), &json!("HANGUP"))]);
    }
}

#[tokio::test]
async fn a_phone_that_hangs_up_meanwhile_is_heard_of_before_the_next_document_is_done() {
    let (asked, told) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let (ask, tell) = (std::sync::Arc::clone(&asked), std::sync::Arc::clone(&told));
    let stage = Stage::set(simulator::Config::default(), move |posted| {
        let (ask, tell) = (std::sync::Arc::clone(&ask), std::sync::Arc::clone(&tell));
        Box::pin(async move {
            if !posted.body["session"].is_null() {
                ask.notify_one();
                tell.notified().await;
            }
            let on = json!({"on": {"event": "hangup", "next": "/h"}});
            crate::stage::Reply::document(&json!({"tropo": [{"say": {"value": "never"}}, on]}))
        })
    })
    .await;
    let session = stage.text(PHONE, "hi").await;
    asked.notified().await;
    assert_eq!(stage.post(&format!("/phones/{PHONE}/hangup"), &json!({"to": NUMBER})).await.0, 202);
    told.notify_one();
    let result = stage.result("/h").await;
    assert_eq!((&result["state"], result.get("actions")), (&json!("DISCONNECTED"), None));
    assert_eq!(stage.ended(&session).await["state"], "hung_up");
    assert_eq!(stage.get(&format!("/phones/{PHONE}/messages")).await.1, json!([]));
}

#[tokio::test]
async fn hanging_up_on_nobody_says_so() {
    let stage = Stage::with(json!([{"hangup": {}}])).await;
    let session = stage.text(PHONE, "hi").await;
    stage.ended(&session).await;
    let phone = format!("/phones/{PHONE}/hangup");
    for (path, body, status, word) in [
        (phone.as_str(), json!({"to": NUMBER}), 404, "nothing to hang up"),
        (&phone, json!({}), 400, "to"),
        (&phone, json!({"to": NUMBER, "form": "x"}), 400, "form"),
        (&format!("/sessions/{session}/hangup"), json!(null), 404, "under way"),
        ("/sessions/a%20b/hangup", json!(null), 400, "session id"),
    ] {
        let (found, answer) = stage.post(path, &body).await;
        assert_eq!(found, status, "{path} {body}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
}

#[tokio::test]
async fn a_redirect_comes_alone_and_first() {
    let on = json!({"on": [{"event": "hangup", "next": "/h"}, {"event": "error", "next": "/e"}]});
    let redirect = json!({"redirect": {"to": "sip:alice@example.net"}});
    let stage = Stage::with(json!([redirect, on])).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["state"], "hung_up");
    stage.result("/h").await;
    assert_line(&stage.lines(&session).await, "The session is redirected");

    let stage = Stage::with(json!([{"say": {"value": "never"}}, redirect, on])).await;
    let session = stage.text(PHONE, "hi").await;
    let error = stage.result("/e").await["error"].as_str().unwrap().to_owned();
    assert!(error.contains("a redirect must come alone"), "{error}");
    stage.ended(&session).await;
    assert_line(&stage.lines(&session).await, &format!("The document cannot be done: {error}"));
    assert_eq!(stage.get(&format!("/phones/{PHONE}/messages")).await.1, json!([]));

    let stage = Stage::with(json!([redirect])).await;
    let session = stage.launched().await;
    assert_eq!(stage.ended(&session).await["state"], "failed");
}

#[tokio::test]
async fn the_number_that_was_dialled_or_reached_is_told() {
    let stage = Stage::with(json!([{"on": {"event": "continue", "next": "/c"}}])).await;
    stage.text(PHONE, "hi").await;
    assert_eq!(stage.result("/c").await["calledid"], "15555550100");
    let call = json!({"call": {"to": PHONE, "network": "SMS"}});
    let stage = Stage::with(json!([call, {"on": {"event": "continue", "next": "/c"}}])).await;
    stage.launched().await;
    assert_eq!(stage.result("/c").await["calledid"], "15555550177");
}
