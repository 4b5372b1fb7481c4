//! Delivery reports and records of texts.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Config;
use tropo::webhook::Webhook;

use crate::stage::{PHONE, Posted, Reply, Stage, assert_in_order, until};

/// Answers a launch with these actions, and refuses what comes to `/broken`.
async fn stage_with(actions: Value) -> Stage {
    Stage::new(move |posted| match posted.target.as_str() {
        "/broken" => Reply::raw(500, "text/plain", ""),
        _ if posted.body["session"].is_null() => Reply::raw(200, "text/plain", ""),
        _ => Reply::document(&json!({"tropo": actions})),
    })
    .await
}

fn message(more: &Value) -> Value {
    let mut message = json!({"to": "15555550177", "network": "SMS", "say": {"value": "hello"}});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"message": message})
}

async fn register(stage: &Stage, event: &str, target: &str, more: Value) -> String {
    let url = format!("http://{}{target}", stage.application());
    let mut wanted = json!({"event": event, "name": "ours", "targetUrl": url, "resource": "sms"});
    wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, made) = stage.post("/v1/webhooks", &wanted).await;
    assert_eq!(status, 200, "{made}");
    made["href"].as_str().unwrap().strip_prefix(&stage.url("")).unwrap().to_owned()
}

/// The first `count` reports that came to a target.
async fn reports(stage: &Stage, target: &str, count: usize) -> Vec<Posted> {
    until(async || {
        let came: Vec<_> = stage.posted().into_iter().filter(|posted| posted.target == target).collect();
        (count <= came.len()).then_some(came)
    })
    .await
}

#[tokio::test]
async fn a_text_is_reported_as_ingress_reads_it() {
    let stage = stage_with(json!([message(&json!({}))])).await;
    register(&stage, "smsdlr", "/dlr", json!({"payload": {"key": "K"}})).await;
    let session = stage.launched().await;
    let report = reports(&stage, "/dlr", 1).await.remove(0);
    assert_eq!(report.content_type, "application/json");
    let data = &report.body["data"];
    let expected = json!({"sessionId": session, "callId": data["callId"], "applicationId": "500001", "accountId": "70001",
                          "network": "SMS", "from": "+15555550100", "to": "+15555550177", "status": "accepted",
                          "timestamp": data["timestamp"]});
    assert_eq!(data, &expected);
    let envelope = ["event", "resource", "name", "payload"].map(|name| report.body[name].clone());
    assert_eq!(envelope, [json!("smsdlr"), json!("sms"), json!("ours"), json!({"key": "K"})]);
    let Ok(Webhook::DeliveryReport(read)) = Webhook::read(report.raw.as_bytes(), "ticket") else {
        panic!("{}", report.raw);
    };
    assert_eq!((read.session_id.as_str(), read.status.as_str()), (session.as_str(), "accepted"));
    assert_eq!(read.call_id.as_deref(), data["callId"].as_str());
    assert_eq!(stage.texts(PHONE, 1).await, ["hello"]);
}

#[tokio::test]
async fn what_was_refused_has_failed_and_costs_nothing() {
    let foreign = message(&json!({"from": "+15555550199", "required": false}));
    let stage = stage_with(json!([foreign, message(&json!({}))])).await;
    register(&stage, "smsdlr", "/dlr", json!({})).await;
    register(&stage, "cdrCreated", "/cdr", json!({})).await;
    stage.launched().await;
    let mut came: Vec<_> =
        reports(&stage, "/dlr", 2).await.into_iter().map(|report| report.body["data"].clone()).collect();
    came.sort_by_key(|data| data["status"].to_string());
    assert_eq!(came[0]["status"], "accepted");
    let failed = ["status", "reason", "from", "to"].map(|name| came[1][name].clone());
    let reason = "its from is no number of this account";
    assert_eq!(failed, [json!("failed"), json!(reason), json!("+15555550199"), json!("15555550177")]);
    assert_eq!(reports(&stage, "/cdr", 1).await.len(), 1);
}

#[tokio::test]
async fn the_status_is_the_word_of_the_senders_carrier() {
    let stage = stage_with(json!([message(&json!({"from": "+4712345678"})), message(&json!({"from": "12345"}))])).await;
    for number in ["+4712345678", "12345"] {
        let wanted = json!({"type": "number", "number": number});
        assert_eq!(stage.post("/v1/applications/500001/addresses", &wanted).await.0, 200);
    }
    register(&stage, "smsdlr", "/dlr", json!({})).await;
    stage.launched().await;
    let came = reports(&stage, "/dlr", 2).await;
    assert!(came.iter().all(|report| report.body["data"]["status"] == "delivered"));
}

#[tokio::test]
async fn texts_have_records_either_way_and_calls_name_who_gets_theirs() {
    let call = json!({"call": {"to": PHONE, "network": "SMS", "callbackUrl": "../called?auth=1", "label": "pin"}});
    let stage = stage_with(json!([call, {"say": {"value": "hello"}}])).await;
    register(&stage, "cdrCreated", "/cdr", json!({"resource": "all"})).await;
    register(&stage, "cdrRated", "/rated", json!({"resource": "call,sms"})).await;
    let session = stage.launched().await;
    let created = reports(&stage, "/cdr", 1).await.remove(0).body;
    let data = &created["data"];
    let expected = [
        ("sessionId", json!(session)),
        ("applicationType", json!("tropo-web")),
        ("applicationName", json!("demo")),
        ("direction", json!("out")),
        ("network", json!("SMS")),
        ("from", json!("+15555550100")),
        ("to", json!(PHONE)),
        ("messageCount", json!(1)),
        ("status", json!("Success")),
        ("label", json!("pin")),
        ("parentCallId", json!("none")),
        ("startUrl", json!(format!("http://{}/tropo/hook?auth=s3cret", stage.application()))),
    ];
    for (name, value) in expected {
        assert_eq!(data[name], value, "{name}");
    }
    assert_eq!((&created["event"], &created["resource"]), (&json!("cdrCreated"), &json!("sms")));
    let rated = reports(&stage, "/rated", 1).await.remove(0).body;
    assert_eq!((&rated["event"], &rated["data"]["cost"]), (&json!("cdrRated"), &json!(0)));
    let called = reports(&stage, "/called?auth=1", 1).await.remove(0).body;
    assert_eq!(called["data"]["callId"], data["callId"]);

    let session = stage.text(PHONE, "hi").await;
    let received = reports(&stage, "/cdr", 3).await;
    let received = received.iter().find(|report| report.body["data"]["direction"] == "in").unwrap();
    let ends = ["sessionId", "from", "to"].map(|name| received.body["data"][name].clone());
    assert_eq!(ends, [json!(session), json!(PHONE), json!("+15555550100")]);
}

#[tokio::test]
async fn the_start_is_where_the_token_of_voice_leads_and_what_was_not_said_has_failed() {
    let unsayable = json!({"say": {"value": "x".repeat(100_000), "required": false}});
    let call = json!({"call": {"to": PHONE, "network": "SMS"}});
    let stage = stage_with(json!([call, unsayable, {"say": {"value": "hello"}}])).await;
    let voice = json!({"voiceUrl": format!("http://{}/voice", stage.application())});
    assert_eq!(stage.put("/v1/applications/500001", &voice).await.0, 200);
    assert_eq!(
        stage.post("/v1/applications/500001/addresses", &json!({"type": "token", "channel": "voice"})).await.0,
        200
    );
    let (_, tokens) = stage.get("/v1/applications/500001/addresses/token").await;
    let token = tokens.as_array().unwrap().iter().find(|token| token["channel"] == "voice").unwrap();
    register(&stage, "cdrCreated", "/cdr", json!({})).await;
    register(&stage, "smsdlr", "/dlr", json!({})).await;
    stage.post("/1.0/sessions", &json!({"token": token["token"]})).await;
    let data = reports(&stage, "/cdr", 1).await[0].body["data"].clone();
    assert_eq!(data["startUrl"], format!("http://{}/voice", stage.application()));
    let told = reports(&stage, "/dlr", 2).await;
    let mut told: Vec<_> = told.iter().map(|report| report.body["data"]["status"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["accepted", "failed"]);

    stage.text(PHONE, &"y".repeat(161)).await;
    let came = reports(&stage, "/cdr", 2).await;
    let received = came.iter().find(|report| report.body["data"]["direction"] == "in").unwrap();
    assert_eq!(received.body["data"]["messageCount"], 2);
}

#[tokio::test]
async fn a_long_text_counts_by_its_parts() {
    let stage = stage_with(json!([message(&json!({"say": {"value": "x".repeat(161)}}))])).await;
    register(&stage, "cdrRated", "/rated", json!({})).await;
    register(&stage, "smsdlr", "/dlr", json!({})).await;
    stage.launched().await;
    assert_eq!(reports(&stage, "/rated", 1).await[0].body["data"]["messageCount"], 2);
    assert_eq!(reports(&stage, "/dlr", 1).await.len(), 1);
}

#[tokio::test]
async fn a_report_is_tried_three_times_and_holds_up_nobody() {
    let stage = stage_with(json!([message(&json!({}))])).await;
    register(&stage, "smsdlr", "/broken", json!({})).await;
    register(&stage, "smsdlr", "/dlr", json!({})).await;
    let session = stage.launched().await;
    assert_eq!(stage.ended(&session).await["state"], "finished");
    let told = until(async || {
        let lines = stage.lines(&session).await;
        lines.iter().any(|line| line.contains("was given up after 3 attempts: status 500")).then_some(lines)
    })
    .await;
    assert_in_order(&told.join("\n"), &["/dlr was answered with status 200", "/broken was given up"]);
    assert_eq!(reports(&stage, "/broken", 3).await.len(), 3);
    assert_eq!(reports(&stage, "/dlr", 1).await.len(), 1, "what was answered is not tried again");
}

#[tokio::test]
async fn webhooks_are_listed_filtered_and_deleted() {
    let stage = stage_with(json!([message(&json!({}))])).await;
    let deleted = register(&stage, "smsdlr", "/gone", json!({})).await;
    let off = register(&stage, "smsdlr", "/off", json!({"enabled": false})).await;
    let cdr = register(&stage, "cdrCreated", "/cdr", json!({"resource": "call", "payload": {"k": [1]}})).await;
    let shown = json!({"id": 3, "href": stage.url(&cdr), "event": "cdrCreated", "name": "ours", "resource": "call",
                       "targetUrl": format!("http://{}/cdr", stage.application()), "payload": {"k": [1]}, "enabled": true});
    assert_eq!(stage.get(&cdr).await, (200, shown.clone()));
    assert_eq!(stage.get("/v1/webhooks/?event=cdrCreated&resource=call").await, (200, json!([shown])));
    assert_eq!(stage.get("/v1/webhooks?event=smsdlr").await.1.as_array().unwrap().len(), 2);
    assert_eq!(stage.delete(&deleted).await, (200, json!({"message": "delete successful"})));
    for gone in [deleted.as_str(), "/v1/webhooks/x"] {
        assert_eq!(stage.delete(gone).await, (404, json!({"error": "there is no such webhook"})));
        assert_eq!(stage.get(gone).await.0, 404);
    }
    assert_eq!(stage.get(&off).await.1["enabled"], false);

    let told = register(&stage, "smsdlr", "/dlr", json!({})).await;
    stage.launched().await;
    reports(&stage, "/dlr", 1).await;
    assert!(stage.posted().iter().all(|posted| !matches!(posted.target.as_str(), "/gone" | "/off" | "/cdr")));
    assert_eq!(told, "/v1/webhooks/4");

    let url = "http://127.0.0.1:9/";
    for (wrong, error) in [
        (json!({"targetUrl": url}), "event is missing"),
        (json!({"event": "smsdlr"}), "targetUrl is missing"),
        (json!({"event": "birthday", "targetUrl": url}), "unknown variant"),
        (json!({"event": "smsdlr", "targetUrl": "ftp://h/"}), "targetUrl must be"),
        (json!({"event": "smsdlr", "targetUrl": url, "resource": "fax"}), "resource must be"),
    ] {
        let (status, answer) = stage.post("/v1/webhooks", &wrong).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(error), "{status} {answer}");
    }
}

/// A target that takes connections and says nothing: sessions text and end while a few attempts wait for it, and the stop
/// waits for none of them.
#[tokio::test]
async fn a_mute_target_delays_no_session() {
    let stage = Stage::set(Config::default(), |posted| {
        Box::pin(async move {
            if posted.target == "/mute" {
                std::future::pending::<()>().await;
            }
            Reply::document(&json!({"tropo": [message(&json!({}))]}))
        })
    })
    .await;
    register(&stage, "smsdlr", "/mute", json!({})).await;
    let mut sessions = Vec::new();
    for _ in 0..100 {
        sessions.push(stage.launched().await);
    }
    assert_eq!(stage.texts(PHONE, 100).await.len(), 100);
    for session in sessions {
        stage.ended(&session).await;
    }
    let dropped = stage.simulator.stop(Duration::ZERO).await;
    assert!((1..=8).contains(&dropped), "{dropped} attempts were under way");
}
