//! What an application keeps out of the debugger's log.

use serde_json::{Value, json};

use crate::stage::{PHONE, Stage, assert_line};

/// The lines of a session with these actions, whose phone answers the first question that it is put.
async fn lines(actions: Value, answer: Option<&str>, texts: &[&str]) -> Vec<String> {
    let stage = Stage::with(actions).await;
    let session = stage.text(PHONE, "hi").await;
    if let Some(answer) = answer {
        stage.messages(PHONE, 1).await;
        assert_eq!(stage.text(PHONE, answer).await, session);
    }
    stage.ended(&session).await;
    assert_eq!(stage.texts(PHONE, texts.len()).await, texts);
    stage.lines(&session).await
}

#[track_caller]
fn assert_hidden(lines: &[String], words: &[&str]) {
    for line in lines {
        assert!(!words.iter().any(|word| line.contains(word)), "{line}");
    }
}

#[tokio::test]
async fn nothing_is_logged_from_suppress_to_none() {
    let actions = json!([
        {"say": {"value": "open"}}, {"generalLogSecurity": "suppress"}, {"say": {"value": "secret"}},
        {"generalLogSecurity": "none"}, {"say": {"value": "open again"}},
    ]);
    let lines = lines(actions, None, &["open", "secret", "open again"]).await;
    assert_hidden(&lines, &["secret"]);
    assert_line(&lines, "Nothing more is logged: generalLogSecurity is suppress");
    assert_line(&lines, "<speak>open again</speak>");
    assert_eq!(lines.iter().filter(|line| line.contains("(o)ANNOUNCE")).count(), 2);
}

#[tokio::test]
async fn suppress_lasts_over_documents() {
    let stage = Stage::new(|posted| {
        let actions = if posted.body["session"].is_null() {
            json!([{"say": {"value": "secret"}}, {"generalLogSecurity": "none"}, {"say": {"value": "open"}}])
        } else {
            json!([{"generalLogSecurity": "suppress"}, {"on": {"event": "continue", "next": "/hidden"}}])
        };
        crate::stage::Reply::document(&json!({"tropo": actions}))
    })
    .await;
    let session = stage.text(PHONE, "hi").await;
    stage.ended(&session).await;
    assert_eq!(stage.texts(PHONE, 2).await, ["secret", "open"]);
    let lines = stage.lines(&session).await;
    assert_hidden(&lines, &["secret", "/hidden"]);
    assert_line(&lines, "<speak>open</speak>");
    assert_line(&lines, " returned engine ");
}

#[tokio::test]
async fn words_are_hidden_wherever_they_would_be_shown() {
    let secret = json!({"value": "secret", "promptLogSecurity": "suppress"});
    for actions in [
        json!([{"say": secret}]),
        json!([{"message": {"to": PHONE, "network": "SMS", "say": {"value": "secret"}, "promptLogSecurity": "suppress"}}]),
        json!([{"call": {"to": PHONE, "network": "SMS", "promptLogSecurity": "suppress"}}, {"say": {"value": "secret"}}]),
        json!([{"on": {"event": "continue", "say": secret}}]),
    ] {
        let lines = lines(actions, None, &["secret"]).await;
        assert_hidden(&lines, &["secret"]);
        assert_line(&lines, "<speak>(suppressed)</speak>");
        assert_line(&lines, "Received new TropoML document on Tropo-Thread-");
    }
    let catch = json!({"ask": {"choices": {"value": "[ANY]"}}});
    let ask = json!({"choices": {"value": "[ANY]"}, "say": {"value": "secret?"}, "promptLogSecurity": "suppress"});
    let lines = lines(json!([catch, {"ask": ask}]), Some("open"), &["secret?"]).await;
    assert_hidden(&lines, &["secret"]);
    assert_line(&lines, "The question is answered: \"open\"");
}

#[tokio::test]
async fn an_answer_is_hidden_or_masked_in_the_lines_and_not_in_the_result() {
    // So long that no random id holds it.
    const PIN: &str = "47114711";
    for (security, template, shown) in [
        ("suppress", "", "(suppressed)"),
        ("mask", "XXXXXXDD", "XXXXXX11"),
        ("mask", "", "XXXXXXXX"),
        ("none", "", PIN),
    ] {
        let catch = json!({"ask": {"choices": {"value": "[ANY]"}}});
        let ask = json!({"choices": {"value": "[8 DIGITS]"}, "say": {"value": "PIN?"}, "name": "pin",
                         "asrLogSecurity": security, "maskTemplate": template});
        let stage = Stage::with(json!([catch, {"ask": ask}, {"on": {"event": "continue", "next": "/c"}}])).await;
        let session = stage.text(PHONE, "hi").await;
        stage.messages(PHONE, 1).await;
        stage.text(PHONE, PIN).await;
        assert_eq!(stage.result("/c").await["actions"][1]["value"], PIN);
        stage.ended(&session).await;
        let lines = stage.lines(&session).await;
        assert_line(&lines, &format!("The question is answered: {shown:?}"));
        assert_line(&lines, &format!("\"value\":\"{shown}\""));
        if security != "none" {
            assert_hidden(&lines, &[PIN]);
        }
    }
}

#[tokio::test]
async fn the_documents_of_a_call_whose_words_are_hidden_are_hidden_too() {
    let stage = Stage::new(|posted| {
        let actions = if posted.body["session"].is_null() {
            json!([{"say": {"value": "secret"}}])
        } else {
            let call = json!({"to": PHONE, "network": "SMS", "promptLogSecurity": "suppress"});
            json!([{"call": call}, {"on": {"event": "continue", "next": "/c"}}])
        };
        crate::stage::Reply::document(&json!({"tropo": actions}))
    })
    .await;
    let session = stage.launched().await;
    stage.ended(&session).await;
    assert_eq!(stage.texts(PHONE, 1).await, ["secret"]);
    assert_hidden(&stage.lines(&session).await, &["secret"]);
}
