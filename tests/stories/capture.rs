//! What stands on RabbitMQ, as its own management API shows it.

use std::collections::BTreeMap;

use protocol::{BackendName, EventId, Kind, SessionId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::stage::{Bus, Setup, Stage, client};

/// A message as the management API shows it.
#[derive(Debug, Deserialize)]
struct Captured {
    exchange: String,
    routing_key: String,
    payload: String,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
struct Properties {
    message_id: EventId,
    correlation_id: SessionId,
    #[serde(rename = "type")]
    event_type: String,
    app_id: String,
    timestamp: i64,
    content_type: String,
    delivery_mode: u8,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
}

/// The record of all events. Looking at it takes nothing from it.
async fn journal(stage: &Stage) -> Vec<Captured> {
    let vhost = stage.vhost();
    let url = format!("http://{}/api/queues/{}/journal.events/get", vhost.management().address(), vhost.name());
    let asked = json!({ "count": 100, "ackmode": "ack_requeue_true", "encoding": "auto" });
    let request = client().post(url).basic_auth("guest", Some("guest"));
    let answer = request.json(&asked).send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status}, {error}: {body}"))
}

#[tokio::test]
async fn every_event_of_a_conversation_carries_its_session_and_its_cause() {
    let stage = Setup::new(Bus::RabbitMq).start().await;
    let began = Timestamp::now();
    let phone = stage.phone(0);
    let session_a: SessionId = phone.text("echo captured").await.parse().unwrap();
    let session_b: SessionId = phone.reply().await.session_id.parse().unwrap();
    stage.settle().await;

    let backend: BackendName = "story".parse().unwrap();
    let received = EventId::of_webhook(&backend, &session_a, Kind::MessageReceived, "");
    let send = received.derive(Kind::MessageSend, 0);
    let result = EventId::of_webhook(&backend, &session_b, Kind::SessionResult, "continue");
    let mut expected = vec![
        ("message.received", received, None, "ingress"),
        ("message.routed", received.derive(Kind::MessageRouted, 0), Some(received), "router"),
        ("message.send", send, Some(received), "router"),
        (
            "message.launched",
            EventId::of_webhook(&backend, &session_b, Kind::MessageLaunched, ""),
            Some(send),
            "egress",
        ),
        ("message.released", send.derive(Kind::MessageReleased, 0), Some(send), "egress"),
        ("session.result", result, None, "ingress"),
        ("message.sent", result.derive(Kind::MessageSent, 0), Some(result), "egress"),
    ];
    let captured = journal(&stage).await;
    for Captured { exchange, routing_key, payload, properties } in &captured {
        let (kind, of) = Kind::of_routing_key(routing_key).unwrap_or_else(|| panic!("{routing_key}"));
        assert_eq!(of, backend);
        let kind = kind.as_str();
        let place = expected.iter().position(|(expected, ..)| *expected == kind);
        let place = place.unwrap_or_else(|| panic!("{kind} came twice, or is no part of a conversation"));
        let (_, id, cause, app_id) = expected.remove(place);
        assert_eq!(exchange, "tropomq");
        assert_eq!(properties.correlation_id, session_a, "{kind}");
        assert_eq!(properties.message_id, id, "{kind}");
        assert_eq!(properties.event_type, format!("{kind}.v1"));
        assert_eq!(properties.app_id, app_id);
        assert_eq!(properties.content_type, "application/json");
        assert_eq!(properties.delivery_mode, 2, "{kind} is persistent");
        assert!((began.as_second()..=Timestamp::now().as_second()).contains(&properties.timestamp), "{properties:?}");
        let cause = cause.map(|cause| json!(cause));
        assert_eq!(properties.headers.get("causation-id"), cause.as_ref(), "{kind}");
        // The body says the same of itself.
        let body: Value = serde_json::from_str(payload).unwrap();
        assert_eq!(body["id"], json!(id));
        assert_eq!(body["type"], json!(properties.event_type));
        assert_eq!(body["backend"], json!("story"));
        assert_eq!(body["correlation_id"], json!(session_a));
        assert_eq!(body.get("causation_id"), cause.as_ref());
        assert_eq!(body["time"].as_str().unwrap().parse::<Timestamp>().unwrap().as_second(), properties.timestamp);
        let session = body["data"].get("session_id").map(|id| id.as_str().unwrap());
        let of_session = match kind {
            "message.received" | "message.routed" => Some(session_a.as_str()),
            "message.send" => None,
            _ => Some(session_b.as_str()),
        };
        assert_eq!(session, of_session, "{kind}");
    }
    assert!(expected.is_empty(), "missing: {expected:?}");
}
