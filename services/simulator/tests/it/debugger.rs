//! The Application Debugger of a whole conversation.

use std::sync::{Arc, OnceLock};

use axum::http::header::ACCEPT;
use serde_json::{Value, json};
use simulator::Config;

use crate::stage::{PHONE, Reply, Stage, TOKEN};

/// An application as rapidsms-tropo is one: it launches while it is being asked, and answers the call-back.
async fn stage() -> Stage {
    let simulator = Arc::new(OnceLock::<(reqwest::Client, String)>::new());
    let shared = Arc::clone(&simulator);
    let stage = Stage::set(Config::default(), move |posted| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (http, url) = shared.get().unwrap();
            if posted.body["session"]["userType"] == "HUMAN" {
                let create = json!({"action": "create", "token": TOKEN, "program": "signed"});
                assert_eq!(http.post(url).json(&create).send().await.unwrap().status(), 200);
                return Reply::raw(200, "text/html", r#"{"tropo": [{"hangup": {}}]}"#);
            }
            let message = r#"{"tropo": [{"message": {"to": "15555550177", "say": {"value": "Sorry, RapidSMS could not understand your message."}, "from": "+15555550100", "network": "SMS", "channel": "TEXT"}}]}"#;
            Reply::raw(200, "text/html", message)
        })
    })
    .await;
    simulator.set((stage.http.clone(), stage.url("/1.0/sessions"))).unwrap();
    stage
}

/// Asserts that each line has the parts of its row, in order, and nothing else stands between.
#[track_caller]
fn check(lines: &[String], rows: &[&[&str]]) {
    assert_eq!(lines.len(), rows.len(), "{lines:#?}");
    for (line, parts) in lines.iter().zip(rows) {
        assert!(line.starts_with(parts[0]), "{line:?} does not begin with {:?}", parts[0]);
        crate::stage::assert_in_order(line, parts);
    }
}

#[tokio::test]
async fn a_conversation_is_told_in_tropos_words_and_order() {
    let stage = stage().await;
    let first = stage.text(PHONE, "MYMESSAGE").await;
    let message = stage.messages(PHONE, 1).await.pop().unwrap();
    let second = message["session_id"].as_str().unwrap().to_owned();
    assert_eq!(message["text"], "Sorry, RapidSMS could not understand your message.");
    stage.ended(&first).await;
    stage.ended(&second).await;

    let url = format!("http://{}/tropo/hook?auth=s3cret", stage.application());
    let thread = |id: &str| format!("Tropo-Thread-{id}");
    let (a, b) = (thread(&first), thread(&second));
    let [sending_a, sending_b] = [&a, &b]
        .map(|thread| format!("#TROPO#: Sending TropoML Payload on {thread} [url={url}]: {{\"session\":{{\"id\":\""));
    let [starts_a, starts_b] = [&a, &b].map(|thread| format!("] starts execution on Thread {thread}"));
    let [acquired_a, acquired_b] = [&a, &b]
        .map(|thread| format!("#TROPO#: Thread {thread} acquired engine com.tropo.rest.engine.TropoScriptEngine@"));
    let [returned_a, returned_b] = [&a, &b]
        .map(|thread| format!("#TROPO#: Thread {thread} returned engine com.tropo.rest.engine.TropoScriptEngine@"));
    let found = format!(
        "#TROPO#: Found hostedCloudDnsApplicationInfo [_url={url}, _type=tropo-web, _account=70001, _userName=demo, _appId=500001, _odf=cusd, _serviceId="
    );
    let hangup = format!(r#"#TROPO#: Received new TropoML document on {a}: {{"tropo": [{{"hangup": {{}}}}]}}"#);
    let received = format!(
        r#"#TROPO#: Received new TropoML document on {b}: {{"tropo": [{{"message": {{"to": "15555550177", "say""#
    );
    let application = "#TROPO#: ApplicationInstance[http://";
    let (engine, human) = (" of type tropo-web, activeEngines = ", r#""userType":"HUMAN","initialText":"MYMESSAGE""#);
    check(
        &stage.lines(&first).await,
        &[
            &[&found, ", _platform=", "][endpoint=15555550100]"],
            &[application, &starts_a],
            &[&acquired_a, engine],
            &[&sending_a, human],
            &[&hangup],
            &[&returned_a, engine],
        ],
    );
    let from_to = "IMified-Network=SMS;IMified-From=+15555550100;IMified-Bot-Key=";
    check(
        &stage.lines(&second).await,
        &[
            &["#TROPO#: HTTPDriver.doGet(): action = create"],
            &[application, &starts_b],
            &[&acquired_b, engine],
            &[&sending_b, r#""userType":"NONE","initialText":null,"callId":null,"parameters":{"#, "signed"],
            &[&received],
            &[
                "#MRCP#: (o)ANNOUNCE rtsp://",
                r"Content-Length: 397\r\n\r\nSPEAK ",
                from_to,
                r"IMified-User=tel:+15555550177\r\n",
                r"Content-Length: 103\r\n\r\n<?xml",
                "<speak>Sorry, RapidSMS could not understand your message.</speak> #[",
                &second,
            ],
            &[
                r"#MRCP#: (i)RTSP/1.0 200 OK\r\nSession: ",
                r"Content-Length: 38\r\n\r\nMRCP/1.0 ",
                " 200 IN-PROGRESS",
                &second,
            ],
            &[&returned_b, engine],
        ],
    );
    check_column(&stage, &first, &second).await;
}

/// The window's `SessionID` column: a line number that counts over all sessions, and the session.
async fn check_column(stage: &Stage, first: &str, second: &str) {
    let (_, lines) = stage.get("/debugger").await;
    let lines = lines.as_array().unwrap();
    assert_eq!(lines.len(), 14);
    let numbers: Vec<_> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line["session_id"] == first || line["session_id"] == second));
    let (_, rest) = stage.get(&format!("/debugger?session={first}&after=1&limit=2")).await;
    assert_eq!(rest.as_array().unwrap().len(), 2);
    let (_, latest) = stage.get("/debugger?last=2").await;
    assert_eq!(latest, Value::from(&lines[12..]));

    let request = stage.http.get(stage.url("/debugger")).header(ACCEPT, "text/plain");
    let text = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(text.lines().count(), 14);
    assert!(text.starts_with(&format!("00001 {first} #TROPO#: Found hostedCloudDnsApplicationInfo [")), "{text}");
}
