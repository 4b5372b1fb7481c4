//! What the documents of an application do.

use serde_json::{Value, json};

use crate::stage::{PHONE, Posted, Reply, Stage, assert_line};

fn message(more: &Value) -> Value {
    let mut message = json!({"to": PHONE, "say": {"value": "hello"}, "network": "SMS"});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"message": message})
}

/// The results that a document brings, by target and `complete`, how the session ends, and a line of the debugger.
async fn check(actions: Value, results: &[(&str, bool)], state: &str, texts: &[&str], line: &str) {
    let stage = Stage::with(actions.clone()).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["state"], state, "{actions}");
    let posted = stage.posted();
    let found: Vec<_> = posted[1..]
        .iter()
        .map(|posted| (posted.target.as_str(), posted.body["result"]["complete"].as_bool().unwrap()))
        .collect();
    assert_eq!(found, results, "{actions}");
    let lines = stage.lines(&session).await;
    assert_line(&lines, line);
    assert_eq!(stage.texts(PHONE, texts.len()).await, texts, "{actions}");
    let announced = lines.iter().filter(|line| line.starts_with("#MRCP#: (o)ANNOUNCE")).count();
    assert_eq!(announced, texts.len(), "{lines:#?}");
}

#[tokio::test]
async fn a_message_needs_a_number_of_the_account() {
    let on = json!({"on": [{"event": "continue", "next": "/c"}, {"event": "incomplete", "next": "/i"}]});
    let foreign = message(&json!({"from": "+15555550199"}));
    let line = "Action message failed, its from is no number of this account; it was required";
    check(json!([foreign, on]), &[("/i", false)], "finished", &[], line).await;
    check(json!([foreign]), &[], "failed", &[], line).await;
    let no_incomplete = json!({"on": {"event": "continue", "next": "/c"}});
    check(json!([foreign, no_incomplete]), &[("/c", false)], "finished", &[], line).await;
    let optional = message(&json!({"from": "+15555550199", "required": false}));
    let goes_on = "no number of this account; the document goes on";
    check(json!([optional, message(&json!({})), on]), &[("/c", true)], "finished", &["hello"], goes_on).await;
    for from in ["15555550100", "5555550100", "+1 (555) 555-0100"] {
        let sent = "IMified-From=+15555550100;";
        check(json!([message(&json!({"from": from}))]), &[], "finished", &["hello"], sent).await;
    }
}

#[tokio::test]
async fn a_message_is_a_text_by_its_channel_or_its_network_and_goes_to_the_first() {
    for more in [
        json!({"network": "SMS"}),
        json!({"network": "sms", "channel": "TEXT"}),
        json!({"network": null, "channel": "TEXT"}),
        json!({"to": [PHONE, "+15555550178"]}),
        json!({"to": "5555550177"}),
        json!({"to": "tel:+1-555-555-0177;postd=1"}),
        json!({"say": [{"value": "hello"}]}),
    ] {
        let to = "IMified-User=tel:+15555550177\\r\\n";
        check(json!([message(&more)]), &[], "finished", &["hello"], to).await;
    }
    let call = "Action \"message\" is skipped: it is a voice call";
    check(json!([message(&json!({"network": null}))]), &[], "finished", &[], call).await;
    for (to, line) in [(json!([]), "it is to nobody"), (json!(" "), "it is to nobody"), (json!("unknown"), "withheld")]
    {
        check(json!([message(&json!({"to": to}))]), &[], "failed", &[], line).await;
    }
}

#[tokio::test]
async fn what_is_said_goes_to_the_sender_or_to_whom_was_called() {
    let says = json!([{"say": [{"value": "one"}, {"value": ""}]}, {"say": {"value": "two <&>"}}]);
    check(says, &[], "finished", &["one", "two <&>"], "<speak>two &lt;&amp;&gt;</speak>").await;

    let stage = Stage::new(|_| {
        let call = json!({"call": {"to": ["15555550178"], "channel": "TEXT", "timeout": 30.0}});
        Reply::document(&json!({"tropo": [call, {"say": {"value": "called"}}, {"hangup": null}]}))
    })
    .await;
    let session = stage.launched().await;
    assert_eq!(stage.texts("+15555550178", 1).await, ["called"]);
    assert_eq!(stage.ended(&session).await["state"], "hung_up");
}

#[tokio::test]
async fn a_launched_session_has_nobody_to_say_anything_to() {
    let stage = Stage::new(|_| Reply::document(&json!({"tropo": [{"say": {"value": "hello?"}}]}))).await;
    let session = stage.launched().await;
    assert_eq!(stage.ended(&session).await["state"], "failed");
    assert_line(&stage.lines(&session).await, "Action say failed, nobody is on the line; it was required");
}

#[tokio::test]
async fn next_is_absolute_root_relative_or_relative_to_where_the_document_came_from() {
    for (next, target) in [
        ("/next.json", "/next.json"),
        ("next.json", "/tropo/next.json"),
        ("page.php?uri=choice", "/tropo/page.php?uri=choice"),
        ("?r=1", "/tropo/hook?r=1"),
        ("../up", "/up"),
    ] {
        let actions = json!([{"on": {"event": "Continue", "next": next}}, {"say": {"value": "x"}}]);
        check(actions, &[(target, true)], "finished", &["x"], "tropo-web").await;
    }
    let stage = Stage::new(|posted| {
        let host = "localhost";
        let Some(port) = posted.body["session"]["initialText"].as_str() else { return Reply::hangup() };
        let next = format!("http://{host}:{port}/absolute");
        Reply::document(&json!({"tropo": [{"on": {"event": "continue", "next": next}}]}))
    })
    .await;
    let session = stage.text(PHONE, &stage.application().port().to_string()).await;
    assert_eq!(stage.ended(&session).await["state"], "hung_up");
    assert_eq!(stage.posted()[1].target, "/absolute");

    let nowhere = json!([{"on": {"event": "continue", "next": "ftp://host/x"}}]);
    check(nowhere, &[], "finished", &[], "The next of event \"continue\" is no http address").await;
}

#[tokio::test]
async fn a_handler_speaks_before_it_goes_on_and_without_next_falls_through() {
    let on = json!([
        {"on": {"event": "incomplete", "say": {"value": "sorry"}}},
        {"on": {"event": "continue", "say": [{"value": "and"}], "next": "c"}},
        message(&json!({"to": []})),
    ]);
    check(on, &[("/tropo/c", false)], "finished", &["sorry", "and"], "it is to nobody").await;
}

#[tokio::test]
async fn hanging_up_ends_the_document_and_tells_its_handler() {
    for name in ["hangup", "reject"] {
        let on = json!({"on": [{"event": "hangup", "next": "/gone"}, {"event": "continue", "next": "/c"}]});
        let actions = json!([on, {"say": {"value": "bye"}}, {name: null}, {"say": {"value": "never"}}]);
        check(actions, &[("/gone", true)], "hung_up", &["bye"], "tropo-web").await;
    }
    let stage = Stage::with(json!([{"on": {"event": "hangup", "next": "/gone"}}])).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["state"], "finished");
    assert_eq!(stage.posted()[1].body["result"]["state"], "DISCONNECTED");
}

#[tokio::test]
async fn results_count_the_documents_and_a_session_does_not_go_on_for_ever() {
    let stage =
        Stage::new(|_| Reply::document(&json!({"tropo": [{"on": {"event": "continue", "next": "again"}}]}))).await;
    let session = stage.text(PHONE, "hi").await;
    let view = stage.ended(&session).await;
    assert_eq!((&view["state"], &view["documents"]), (&json!("failed"), &json!(100)));
    let posted = stage.posted();
    let sequences: Vec<_> =
        posted[1..].iter().map(|posted| posted.body["result"]["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..100).collect::<Vec<_>>());
    let calls: std::collections::HashSet<_> =
        posted[1..].iter().map(|posted| posted.body["result"]["callId"].as_str().unwrap()).collect();
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), [posted[0].body["session"]["callId"].as_str().unwrap()]);
    assert_line(&stage.lines(&session).await, "The session ends: it was given 100 documents in haste");
}

#[tokio::test]
async fn what_is_not_for_text_sessions_is_skipped_and_what_follows_is_done() {
    let actions = json!([
        {"answer": {}}, {"conference": {"id": "1"}}, {"record": {"url": "http://h/"}},
        {"startRecording": {"url": "http://h/"}}, {"stopRecording": null}, {"transfer": {"to": "x"}},
        {"call": {"to": "15555550177"}}, {"joinPrompt": true}, {"dance": {}},
        {"say": {"value": "still here", "frobnicate": 1}},
    ]);
    let names: Vec<String> = actions.as_array().unwrap()[..9]
        .iter()
        .map(|action| action.as_object().unwrap().keys().next().unwrap().clone())
        .collect();
    let stage = Stage::with(actions).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["state"], "finished");
    assert_eq!(stage.texts(PHONE, 1).await, ["still here"]);
    let lines = stage.lines(&session).await;
    for name in names {
        assert_line(&lines, &format!("#SIMULATOR#: Action {name:?} is skipped: "));
    }
}

#[tokio::test]
async fn a_bad_document_is_a_line_and_the_end_of_its_session_alone() {
    let bodies: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "the answer is empty"),
        (b" \r\n".to_vec(), "the answer is empty"),
        (b"Thank you!".to_vec(), "the answer is not JSON"),
        (br#"{"tropo":[{"say":{"value":"x"}}"#.to_vec(), "the answer is not JSON"),
        (vec![0xff, 0xfe, 0x00], "the answer is not JSON"),
        (b"[".repeat(100_000), "the answer is not JSON"),
        (b"true".to_vec(), "the answer has no array `tropo`"),
        (br#"{"tropo":{"say":{"value":"x"}}}"#.to_vec(), "the answer has no array `tropo`"),
        (br#"{"hangup":null}"#.to_vec(), "the answer has no array `tropo`"),
        (br#"{"tropo":[{"say":{"value":"1"},"hangup":null}]}"#.to_vec(), "The document ends at action \"\""),
        (br#"{"tropo":[{"message":{"to":"15555550177"}}]}"#.to_vec(), "The document ends at action \"message\": say"),
        (br#"{"tropo":[7]}"#.to_vec(), "The document ends at action"),
    ];
    for (body, line) in bodies {
        let first = body.clone();
        let stage = Stage::new(move |posted: &Posted| match posted.body["session"]["initialText"].as_str() {
            Some("bad") => Reply::raw(200, "text/html; charset=utf8", first.clone()),
            _ => Reply::document(&json!({"tropo": [{"say": {"value": "good"}}]})),
        })
        .await;
        let session = stage.text(PHONE, "bad").await;
        assert_eq!(stage.ended(&session).await["state"], "failed");
        assert_line(&stage.lines(&session).await, line);
        stage.text(PHONE, "good").await;
        assert_eq!(stage.texts(PHONE, 1).await, ["good"]);
    }
}

#[tokio::test]
async fn an_action_that_cannot_be_read_is_an_error() {
    let broken = json!({"message": {"say": {"value": "x"}}});
    let actions = json!([{"say": {"value": "before"}}, broken, {"say": {"value": "never"}},
                         {"on": [{"event": "continue", "next": "/c"}, {"event": "error", "next": "/e"}]}]);
    let stage = Stage::with(actions).await;
    let session = stage.text(PHONE, "hi").await;
    stage.ended(&session).await;
    let posted = stage.posted();
    assert_eq!((posted.len(), posted[1].target.as_str()), (2, "/e"));
    assert!(posted[1].body["result"]["error"].as_str().unwrap().contains("to"));
    assert_eq!(stage.texts(PHONE, 1).await, ["before"]);
}

#[tokio::test]
async fn a_document_is_read_in_its_charset_and_without_one_as_latin1() {
    for (content_type, text, line) in [
        ("application/json; charset=utf-8", "é 🐘", ""),
        ("application/json;charset=utf8", "é 🐘", ""),
        ("text/html; Charset=\"UTF-8\"", "é 🐘", ""),
        ("application/json", "Ã© ð\u{9f}\u{90}\u{98}", "it is read as ISO-8859-1"),
    ] {
        let stage = Stage::new(move |_| Reply::raw(200, content_type, r#"{"tropo":[{"say":{"value":"é 🐘"}}]}"#)).await;
        let session = stage.text(PHONE, "hi").await;
        assert_eq!(stage.texts(PHONE, 1).await, [text], "{content_type}");
        assert_line(&stage.lines(&session).await, line);
    }
    for (content_type, body, text, line) in [
        ("application/json; charset=iso-8859-1", b"{\"tropo\":[{\"say\":{\"value\":\"n\xe9\"}}]}".to_vec(), "né", ""),
        (
            "application/json; charset=utf-8",
            b"{\"tropo\":[{\"say\":{\"value\":\"n\xe9\"}}]}".to_vec(),
            "n\u{fffd}",
            "is not the UTF-8",
        ),
        ("application/json", "\u{feff}{\"tropo\":[{\"say\":{\"value\":\"né\"}}]}".as_bytes().to_vec(), "né", ""),
    ] {
        let stage = Stage::new(move |_| Reply::raw(200, content_type, body.clone())).await;
        let session = stage.text(PHONE, "hi").await;
        assert_eq!(stage.texts(PHONE, 1).await, [text], "{content_type}");
        assert_line(&stage.lines(&session).await, line);
    }
}

#[tokio::test]
async fn the_handlers_of_a_refused_document_say_nothing() {
    let says: Vec<_> = (0..20_001).map(|_| json!({"value": "never"})).collect();
    let on = json!({"on": {"event": "error", "say": {"value": "never"}, "next": "/e"}});
    let stage = Stage::with(json!([{"say": says}, on])).await;
    let session = stage.text(PHONE, "hi").await;
    assert!(stage.result("/e").await["error"].as_str().unwrap().starts_with("it has more than 20000"));
    stage.ended(&session).await;
    assert_eq!(stage.get(&format!("/phones/{PHONE}/messages")).await.1, json!([]));
}
