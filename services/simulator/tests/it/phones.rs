//! Texts in, replies out, and what the phones and the applications are asked over HTTP.

use serde_json::{Value, json};

use crate::stage::{PHONE, Posted, Reply, Stage, assert_in_order};

/// Says back what came.
fn echo(posted: &Posted) -> Reply {
    let text = posted.body["session"]["initialText"].as_str().unwrap();
    Reply::document(&json!({"tropo": [{"say": {"value": format!("you said {text}")}}]}))
}

#[tokio::test]
async fn a_text_reaches_the_application_in_the_shape_of_2013_and_its_answer_the_phone() {
    let stage = Stage::new(echo).await;
    let session = stage.text(PHONE, "What? 🐘").await;

    let messages = stage.messages("1-555-555-0177", 1).await;
    assert_eq!(messages[0]["text"], "you said What? 🐘");
    assert_eq!((&messages[0]["from"], &messages[0]["network"]), (&json!("+15555550100"), &json!("SMS")));
    assert_eq!(messages[0]["session_id"], session.as_str());
    assert!(messages[0]["at"].as_str().unwrap().ends_with('Z'));

    let Posted { target, content_type, raw, body, .. } = stage.posted().remove(0);
    assert_eq!((target.as_str(), content_type.as_str()), ("/tropo/hook?auth=s3cret", "application/json"));
    assert_eq!((session.len(), &body["session"]["id"]), (32, &json!(session)));
    assert!(session.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    let to = r#""to":{"id":"15555550100","name":null,"channel":"TEXT","network":"SMS"}"#;
    let from = r#""from":{"id":"15555550177","name":null,"channel":"TEXT","network":"SMS"}"#;
    let (id, initial) = (format!(r#"{{"session":{{"id":"{session}""#), r#""initialText":"What? 🐘""#);
    let account = r#","accountId":"70001","timestamp":""#;
    assert_in_order(
        &raw,
        &[&id, account, r#""userType":"HUMAN","#, initial, r#""callId":""#, to, from, r#""headers":{"#],
    );
    assert!(!raw.contains("parameters") && !raw.contains("e164Id"), "{raw}");

    let timestamp = body["session"]["timestamp"].as_str().unwrap();
    assert_eq!((timestamp.len(), &timestamp[19..20], &timestamp[23..]), (24, ".", "Z"), "{timestamp}");
    assert_eq!(body["session"]["callId"].as_str().unwrap().len(), 32);
    let headers = body["session"]["headers"].as_object().unwrap();
    assert!(headers.values().all(Value::is_string));
    assert_eq!((&headers["CSeq"], &headers["Max-Forwards"]), (&json!("1 INVITE"), &json!("70")));
    assert!(
        headers["From"]
            .as_str()
            .unwrap()
            .contains("@10.0.0.9;channel=private;user=15555550177;msg=What%3f%20%f0%9f%90%98;network=SMS;step=1>;tag=")
    );
    assert!(headers["To"].as_str().unwrap().ends_with(";to=15555550100>"));
}

#[tokio::test]
async fn other_networks_and_senders_are_told_as_they_are() {
    let stage = Stage::new(echo).await;
    for (phone, network, id) in [("alice@example.net", "JABBER", "alice@example.net"), ("12345", "sms", "12345")] {
        let texting = json!({"to": "+15555550100", "text": "hi", "network": network});
        let (status, answer) = stage.post(&format!("/phones/{phone}/texts"), &texting).await;
        assert_eq!(status, 202, "{answer}");
        assert_eq!(stage.messages(phone, 1).await[0]["network"], network.to_uppercase());
        let from = stage.posted().last().unwrap().body["session"]["from"].clone();
        assert_eq!((&from["id"], &from["network"]), (&json!(id), &json!(network.to_uppercase())));
    }
}

#[tokio::test]
async fn two_phones_at_once_have_their_own_conversations() {
    let stage = Stage::new(echo).await;
    let other = "+15555550178";
    let (one, two) = tokio::join!(stage.text(PHONE, "one"), stage.text(other, "two"));
    assert_ne!(one, two);
    assert_eq!(stage.texts(PHONE, 1).await, ["you said one"]);
    assert_eq!(stage.texts(other, 1).await, ["you said two"]);

    let (_, phones) = stage.get("/phones").await;
    let numbers: Vec<_> = phones.as_array().unwrap().iter().map(|phone| &phone["number"]).collect();
    assert_eq!(numbers, [PHONE, other]);
    assert_eq!((&phones[0]["sent"], &phones[0]["received"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn each_of_two_hundred_texts_at_once_is_answered_once() {
    let stage = Stage::new(echo).await;
    let phone = |index: usize| format!("+155555502{:02}", index % 20);
    let texts: Vec<_> = (0..200).map(|index| (phone(index), format!("text {index}"))).collect();
    let sessions = futures::future::join_all(texts.iter().map(|(phone, text)| stage.text(phone, text))).await;
    let all: std::collections::HashSet<_> = sessions.iter().collect();
    assert_eq!(all.len(), 200);
    for index in 0..20 {
        let mut received = stage.texts(&phone(index), 10).await;
        let mut expected: Vec<_> = (index..200).step_by(20).map(|index| format!("you said text {index}")).collect();
        received.sort();
        expected.sort();
        assert_eq!(received, expected);
    }
    for session in &sessions {
        stage.ended(session).await;
    }
    let (_, phones) = stage.get("/phones").await;
    let received: u64 = phones.as_array().unwrap().iter().map(|phone| phone["received"].as_u64().unwrap()).sum();
    assert_eq!((received, stage.posted().len()), (200, 200));
}

#[tokio::test]
async fn an_application_can_be_added_while_it_runs() {
    let stage = Stage::new(echo).await;
    let url = format!("http://{}/other", stage.application());
    let added = json!({"name": "other", "messaging_url": url, "messaging_token": "T2", "numbers": ["12345"]});
    let (status, answer) = stage.post("/applications", &added).await;
    assert_eq!((status, &answer["name"], &answer["numbers"]), (201, &json!("other"), &json!(["12345"])));
    let (status, _) = stage.post(&format!("/phones/{PHONE}/texts"), &json!({"to": "12345", "text": "hi"})).await;
    assert_eq!(status, 202);
    assert_eq!(stage.messages(PHONE, 1).await[0]["from"], "12345");
    assert_eq!(stage.posted()[0].target, "/other");

    let (_, applications) = stage.get("/applications").await;
    assert_eq!(applications.as_array().unwrap().len(), 2);
    assert!(!applications.to_string().contains("T2"), "{applications}");
    let (status, answer) = stage.post("/applications", &added).await;
    assert_eq!(status, 409, "{answer}");
}

#[tokio::test]
async fn what_cannot_be_done_says_what_to_do() {
    let stage = Stage::new(echo).await;
    let text = format!("/phones/{PHONE}/texts");
    let good = json!({"to": "+15555550100", "text": "hi"});
    for (method, path, body, status, word) in [
        ("POST", text.as_str(), json!({"to": "+15555550199", "text": "hi"}), 404, "/applications"),
        ("POST", &text, json!({"to": "+15555550100"}), 400, "text"),
        ("POST", &text, json!({"to": "", "text": "hi"}), 400, "address is empty"),
        ("POST", &text, json!({"to": "+15555550100", "text": " \n"}), 400, "the text is blank"),
        ("POST", &text, json!({"to": "1", "text": "hi", "networks": "SMS"}), 400, "networks"),
        ("POST", "/phones/%07/texts", good, 400, "control"),
        ("POST", "/applications", json!({"messaging_url": "http://h/"}), 400, "name"),
        ("POST", "/applications", json!({"name": "x"}), 400, "messaging_url"),
        ("GET", "/phones/12345/messages?wait=5", json!(null), 400, "duration"),
        ("GET", "/phones/12345/messages?afer=5", json!(null), 400, "afer"),
        ("PUT", "/knobs", json!({"create_errors": 2}), 400, "from 0 to 1"),
        ("PUT", "/knobs", json!({"no_such": 2}), 400, "no_such"),
        ("DELETE", "/knobs", json!(null), 405, "GET /"),
        ("GET", "/nowhere", json!(null), 404, "GET /"),
        ("GET", "/sessions/nowhere", json!(null), 404, "no session"),
        ("GET", "/debugger/sessions/nowhere", json!(null), 404, "no session"),
    ] {
        let request = stage.http.request(method.parse().unwrap(), stage.url(path)).json(&body);
        let (found, answer) = crate::stage::read(request.send().await.unwrap()).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(word)), "{method} {path}: {answer}");
    }
    let (status, index) = stage.get("/").await;
    assert!(status == 200 && index.as_str().is_some_and(|index| index.contains("/1.0/sessions")));
    assert!(stage.posted().is_empty());
}

#[tokio::test]
async fn who_asks_for_messages_is_not_kept_longer_than_it_waits() {
    let stage = Stage::new(echo).await;
    assert_eq!(stage.get("/phones/12345/messages").await, (200, json!([])));
    assert_eq!(stage.get("/phones/12345/messages?wait=20ms").await, (200, json!([])));
}

#[tokio::test]
async fn no_session_begins_once_it_has_stopped() {
    let stage = Stage::new(echo).await;
    stage.text(PHONE, "before").await;
    assert_eq!(stage.simulator.stop(std::time::Duration::from_secs(10)).await, 0);
    assert_eq!(stage.texts(PHONE, 1).await, ["you said before"]);
    let texting = json!({"to": "15555550100", "text": "after"});
    let (status, answer) = stage.post(&format!("/phones/{PHONE}/texts"), &texting).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(stage.launch().await.status(), 503);
    assert_eq!(stage.posted().len(), 1);
}
