//! Launching a session with a token, and being called back.

use std::sync::Arc;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};
use simulator::Config;
use tokio::sync::Semaphore;
use tropo::launch::LaunchReply;

use crate::stage::{PHONE, Posted, Reply, Stage, TOKEN, assert_in_order, until};

/// Texts the phone when called back, and hangs up on anything else.
fn sends(posted: &Posted) -> Reply {
    if posted.body["session"]["parameters"].is_null() {
        return Reply::hangup();
    }
    let message = json!({"to": "15555550177", "from": "+15555550100", "channel": "TEXT", "network": "SMS",
                         "say": {"value": "Your code is 4711"}});
    Reply::document(&json!({"tropo": [{"message": message}, {"on": {"event": "continue", "next": "done?r=1"}}]}))
}

#[tokio::test]
async fn a_launch_in_each_form_is_answered_in_its_format_and_calls_back() {
    let json_body = json!({"token": TOKEN, "action": "create", "k": "a+b&c=1 é", "n": 7}).to_string();
    let xml = format!(
        r#"<session><token>{TOKEN}</token><var name="k" value="a+b&amp;c=1 é"/><var name="n" value="7"/></session>"#
    );
    let form = format!("token={TOKEN}&k=a%2Bb%26c%3D1+%C3%A9&n=7");
    let (get, action) = (format!("?action=create&{form}"), "?action=create");
    let form_type = "application/x-www-form-urlencoded";
    for (path, query, content_type, accept, body, replied) in [
        ("/1.0/sessions", "", "application/json", "application/json", json_body, "application/json"),
        ("/v1/sessions/", action, form_type, "application/json", form, form_type),
        ("/1.0/sessions/", "", "text/xml", "*/*", xml, "application/xml"),
        ("/1.0/sessions", get.as_str(), "", "*/*", String::new(), "application/xml"),
        ("/v1/sessions", get.as_str(), "", "application/json", String::new(), "application/json"),
    ] {
        let stage = Stage::new(sends).await;
        let url = stage.url(&format!("{path}{query}"));
        let request = match content_type {
            "" => stage.http.get(url),
            _ => stage.http.post(url).header(CONTENT_TYPE, content_type).body(body),
        };
        let answer = request.header(ACCEPT, accept).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let content_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        assert!(content_type.starts_with(replied), "{content_type}");
        assert!(answer.content_length().is_some_and(|length| 0 < length));
        let reply = LaunchReply::read(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!((reply.success, reply.token.as_deref()), (true, Some(TOKEN)));
        let session = reply.id.unwrap();

        let messages = stage.messages(PHONE, 1).await;
        assert_eq!((&messages[0]["text"], &messages[0]["session_id"]), (&json!("Your code is 4711"), &json!(session)));
        check_call_back(&stage, &session).await;
    }
}

async fn check_call_back(stage: &Stage, session: &str) {
    assert_eq!(stage.ended(session).await["state"], "hung_up");
    let posted = stage.posted();
    assert_eq!(posted.len(), 2);
    let parameters = json!({"action": "create", "token": TOKEN, "k": "a+b&c=1 é", "n": "7"});
    assert_eq!(posted[0].body["session"]["parameters"], parameters);
    assert_eq!(posted[0].target, "/tropo/hook?auth=s3cret");
    assert_in_order(
        &posted[0].raw,
        &["{\"session\":{\"id\":\"", "\"userType\":\"NONE\",\"initialText\":null,\"callId\":null,\"parameters\":{"],
    );
    for absent in ["\"from\"", "\"to\"", "\"headers\""] {
        assert!(!posted[0].raw.contains(absent), "{}", posted[0].raw);
    }

    assert_eq!(posted[1].target, "/tropo/done?r=1");
    assert_in_order(
        &posted[1].raw,
        &[
            &format!("{{\"result\":{{\"sessionId\":\"{session}\",\"callId\":\""),
            "\",\"state\":\"ANSWERED\",\"sessionDuration\":",
            ",\"sequence\":1,\"complete\":true,\"error\":null}}",
        ],
    );
}

#[tokio::test]
async fn a_bad_token_is_answered_as_the_knob_says() {
    let stage = Stage::new(sends).await;
    for (style, status, body) in [
        ("false", 200, r#"{"success":false,"error":"invalid token"}"#),
        ("empty", 200, ""),
        ("401", 401, r#"{"success":false,"error":"invalid token"}"#),
        ("403", 403, r#"{"success":false,"error":"invalid token"}"#),
    ] {
        stage.set_knobs(json!({"bad_token": style})).await;
        for request in [json!({"token": "WRONG"}), json!({"token": ""}), json!({"program": "x"})] {
            let answer = stage.http.post(stage.url("/1.0/sessions")).json(&request).send().await.unwrap();
            assert_eq!(answer.status(), status, "{style} {request}");
            assert_eq!(answer.text().await.unwrap(), body, "{style} {request}");
        }
    }
    stage.set_knobs(json!({})).await;
    for (query, body) in [
        ("action=create&token=1234", "<session><success>false</success><error>invalid token</error></session>"),
        ("token=1234", "<session><success>false</success><error>action is missing"),
    ] {
        let answer = stage.http.get(stage.url(&format!("/1.0/sessions?{query}"))).send().await.unwrap();
        assert!(answer.text().await.unwrap().starts_with(body));
    }
    assert!(stage.posted().is_empty());
    let (_, lines) = stage.get("/debugger").await;
    let lines = lines.as_array().unwrap();
    assert_eq!(lines.len(), 13);
    assert!(lines.iter().all(|line| line["session_id"].is_null()));
    assert_eq!(lines[0]["text"], "#SIMULATOR#: A request for a session has no token that launches anything");
}

#[tokio::test]
async fn the_voice_token_calls_the_voice_url() {
    let stage = Stage::new(sends).await;
    let (text, voice) =
        (format!("http://{}/text", stage.application()), format!("http://{}/voice", stage.application()));
    let added =
        json!({"name": "v", "messaging_url": text, "messaging_token": "M", "voice_url": voice, "voice_token": "V"});
    assert_eq!(stage.post("/applications", &added).await.0, 201);
    for (token, target) in [("V", "/voice"), ("M", "/text")] {
        stage.post("/1.0/sessions", &json!({"token": token})).await;
        until(async || stage.posted().iter().any(|posted| posted.target == target).then_some(())).await;
    }
}

/// The call-back waits for the reply to be read: were the reply waiting for the call-back, neither would come.
#[tokio::test]
async fn the_reply_does_not_wait_for_the_call_back() {
    let replied = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&replied);
    let stage = Stage::set(Config::default(), move |posted| {
        let waits = Arc::clone(&waits);
        Box::pin(async move {
            let _permit = waits.acquire().await.unwrap();
            sends(&posted)
        })
    })
    .await;
    let session = stage.launched().await;
    replied.add_permits(1);
    assert_eq!(stage.messages(PHONE, 1).await[0]["session_id"], session.as_str());
}

#[tokio::test]
async fn with_callback_first_the_reply_waits_for_the_call_back() {
    let stage = Stage::new(sends).await;
    stage.set_knobs(json!({"callback_first": true})).await;
    let session = stage.launched().await;
    // It has been answered, not only posted: nothing needs to be waited for.
    assert_eq!(stage.posted()[0].body["session"]["id"], session.as_str());
    assert_eq!(stage.texts(PHONE, 1).await.len(), 1);
}

/// The convoluted way: the application launches while the webhook of the text is still open, and only then answers it.
#[tokio::test]
async fn the_two_sessions_overlap() {
    let create = Arc::new(tokio::sync::OnceCell::<(reqwest::Client, String)>::new());
    let shared = Arc::clone(&create);
    let stage = Stage::set(Config::default(), move |posted| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (http, url) = shared.get().unwrap();
            if posted.body["session"]["userType"] == "HUMAN" {
                let answer = http.post(url).json(&json!({"token": TOKEN})).send().await.unwrap();
                assert_eq!(answer.json::<Value>().await.unwrap()["success"], true);
                return Reply::hangup();
            }
            sends(&posted)
        })
    })
    .await;
    create.set((stage.http.clone(), stage.url("/1.0/sessions"))).unwrap();
    for callback_first in [false, true] {
        stage.set_knobs(json!({"callback_first": callback_first})).await;
        let first = stage.text(PHONE, "hi").await;
        let message = stage.messages(PHONE, if callback_first { 2 } else { 1 }).await.pop().unwrap();
        assert_ne!(message["session_id"], first.as_str());
        assert_eq!(stage.ended(&first).await["state"], "hung_up");
    }
}
