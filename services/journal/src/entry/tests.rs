use std::collections::BTreeMap;

use messaging::headers::{CAUSATION_ID, ROUTING_KEY};
use messaging::{BoxFuture, Outgoing, Properties, Settler};
use protocol::topology::QueueName;
use protocol::{
    DelayedReason, DeliveryReported, Envelope, Event, Head, Kind, MessageDelayed, MessageReceived, MessageSend,
    MessageSent, Network, SessionId,
};
use serde_json::Value;
use store::Content;

use super::*;
use crate::facts::{of_dead_letter, of_event};

struct Nobody;

impl Settler for Nobody {
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn now() -> Timestamp {
    "2026-03-01T09:30:15.204Z".parse().unwrap()
}

fn delivery(routing_key: &str, body: impl Into<bytes::Bytes>) -> Delivery {
    Delivery {
        queue: QueueName::journal(),
        routing_key: routing_key.to_owned(),
        properties: Properties::default(),
        body: body.into(),
        redelivered: false,
        settler: Box::new(Nobody),
    }
}

fn entry_of<T: Event>(envelope: &Envelope<T>) -> JournalEntry {
    let outgoing = Outgoing::new(envelope);
    of_event(&delivery(&envelope.routing_key(), outgoing.body().clone()), now()).entry.unwrap()
}

fn session(id: &str) -> SessionId {
    id.parse().unwrap()
}

fn text() -> Envelope<MessageReceived> {
    let id = EventId::of_webhook(&"b".parse().unwrap(), &session("s1"), Kind::MessageReceived, "");
    let data = MessageReceived {
        session_id: session("s1"),
        from: "+15555550177".parse().unwrap(),
        to: Some("+15555550100".parse().unwrap()),
        text: "how much \u{2713}".parse().unwrap(),
        network: Network::sms(),
    };
    Envelope::of_webhook(id, "b".parse().unwrap(), session("s1"), now(), data)
}

fn command() -> Envelope<MessageSend> {
    let data = MessageSend {
        to: "+15555550177".parse().unwrap(),
        text: "this much".parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: Some("stock\0\u{7}".to_owned() + &"e".repeat(100)),
        expires_at: None,
    };
    Envelope::caused_by(&text().head, 0, now(), data)
}

#[test]
fn a_text_and_a_message_are_kept_with_what_they_are() {
    let (text, command) = (text(), command());
    let JournalEntry { event, content, .. } = entry_of(&text);
    assert_eq!((event.id, event.kind.as_str(), event.at), (text.head.id, "message.received", now()));
    assert_eq!((event.session_id, event.correlation_id), (Some(session("s1")), Some(session("s1"))));
    assert_eq!(event.of, Some((Subject::Text, text.head.id)));
    assert_eq!(serde_json::from_str::<MessageReceived>(&event.body).unwrap(), text.data);
    let MessageReceived { from, to, text: words, network, .. } = text.data;
    assert_eq!(
        content,
        Some(Content { person: from, number: to, text: words, network, application: None, cause: None })
    );

    let JournalEntry { event, content, .. } = entry_of(&command);
    assert_eq!((event.of, event.session_id), (Some((Subject::Message, command.head.id)), None));
    let content = content.unwrap();
    assert_eq!((content.cause, content.number), (Some(text.head.id), None));
    // Others may write anything there; databases cannot keep anything.
    let application = content.application.unwrap();
    assert!(application.starts_with("stocke") && application.len() == 64, "{application:?}");
}

#[test]
fn what_comes_later_is_kept_with_its_message_and_its_session() {
    let command = command();
    let (message_id, session_id) = (command.head.id, session("s2"));
    let sent = Envelope::caused_by(&command.head, 0, now(), MessageSent { message_id, session_id });
    let delayed = MessageDelayed {
        message_id,
        attempt: 1,
        reason: DelayedReason::NoCallBack,
        status: None,
        detail: "the session did not call back within 20s".to_owned(),
        retry_at: None,
        session_id: Some(session("s2")),
    };
    let delayed = Envelope::caused_by(&command.head, 1, now(), delayed);
    for JournalEntry { event, content, .. } in [entry_of(&sent), entry_of(&delayed)] {
        assert_eq!((event.of, content), (Some((Subject::Message, message_id)), None));
        assert_eq!((event.session_id, event.correlation_id), (Some(session("s2")), Some(session("s1"))));
    }
    let reported = DeliveryReported { session_id: session("s2"), status: "delivered".to_owned() };
    let JournalEntry { event, .. } = entry_of(&Envelope::caused_by(&command.head, 0, now(), reported));
    assert_eq!((event.of, event.session_id), (None, Some(session("s2"))));
}

/// What this says of a message is known to a later version.
#[test]
fn a_kind_of_a_newer_version_is_kept_as_it_is() {
    let message_id = command().head.id;
    let body = format!(
        r#"{{"id":"{}","type":"message.recalled.v3","backend":"b","time":"{}","data":{{"message_id":"{message_id}","session_id":"s2","more":[1,null,"x"]}}}}"#,
        text().head.id,
        now(),
    );
    let noted = of_event(&delivery("message.recalled.b", body), now());
    assert_eq!(noted.facts, None, "it is not accounted for");
    let JournalEntry { event, marks, content } = noted.entry.unwrap();
    assert_eq!((event.id, event.kind.as_str(), event.at), (text().head.id, "message.recalled", now()));
    assert_eq!((event.of, event.session_id), (Some((Subject::Message, message_id)), Some(session("s2"))));
    let data: Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(data["more"], json!([1, null, "x"]));
    assert_eq!((marks, content), (Vec::new(), None));
}

/// Neither known to be readable nor short: it is kept as far as its properties tell.
#[track_caller]
fn check_without_body(routing_key: &str, body: impl Into<bytes::Bytes>, kind: &str) {
    let mut delivery = delivery(routing_key, body);
    delivery.properties = Properties {
        message_id: Some(command().head.id.to_string()),
        correlation_id: Some("s1".to_owned()),
        timestamp: Some(1_772_357_415),
        headers: BTreeMap::from([(CAUSATION_ID.to_owned(), text().head.id.to_string())]),
        ..Properties::default()
    };
    let JournalEntry { event, content, .. } = of_event(&delivery, now()).entry.unwrap();
    assert_eq!((event.id, event.kind.as_str(), event.backend.as_str()), (command().head.id, kind, "b"));
    assert_eq!((event.body.as_str(), content), ("null", None));
    assert_eq!(event.at, "2026-03-01T09:30:15Z".parse().unwrap());
    assert_eq!(event.correlation_id, Some(session("s1")));
}

#[test]
fn what_cannot_be_read_is_kept_without_its_body() {
    check_without_body("message.send.b", "{", "message.send");
    check_without_body("message.received.b.07", "\u{0}", "message.received");
    check_without_body("message.recalled.b", r#"{"id":1}"#, "message.recalled");
    let mut endless = command();
    endless.data.application = Some("e".repeat(2 << 20));
    check_without_body("message.send.b", endless.to_body(), "message.send");
}

#[test]
fn what_nothing_tells_of_is_not_kept() {
    let check = |routing_key: &str, message_id: Option<&str>| {
        let mut delivery = delivery(routing_key, "+15555550177 said hello");
        delivery.properties.message_id = message_id.map(str::to_owned);
        assert_eq!(of_event(&delivery, now()), Default::default(), "{routing_key} {message_id:?}");
        delivery.properties.headers.insert(QUEUE.to_owned(), "egress.message.send.b".to_owned());
        assert_eq!(of_dead_letter(&delivery, now()), Default::default(), "{routing_key} {message_id:?}");
    };
    let id = command().head.id.to_string();
    check("message.send.b", None);
    check("message.send.b", Some("7"));
    check("message.send", Some(&id));
    check("", Some(&id));
    check("message.SEND.b", Some(&id));
    check(&format!("message.{}.b", "e".repeat(100)), Some(&id));
}

/// A dead letter of a command that died then.
fn dead(event: &Outgoing, headers: &[(&str, &str)]) -> JournalEntry {
    let mut delivery = delivery("", event.body().clone());
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    delivery.properties.headers = headers.collect();
    of_dead_letter(&delivery, now()).entry.unwrap()
}

#[test]
fn a_dead_letter_is_kept_with_its_reason_and_without_what_it_says() {
    let command = command();
    let headers = [
        (QUEUE, "egress.message.send.b"),
        (REASON, "failed"),
        (ATTEMPT, "7"),
        (ERROR, "Tropo rejected the message for good: token"),
        (DEAD_AT, "2026-03-01T09:00:00Z"),
        (ROUTING_KEY, "message.send.b"),
    ];
    let outgoing = Outgoing::new(&command);
    let JournalEntry { event, marks, content } = dead(&outgoing, &headers);
    assert_eq!((event.kind.as_str(), event.at), (DEAD_LETTER, "2026-03-01T09:00:00Z".parse().unwrap()));
    assert_eq!((event.of, content), (Some((Subject::Message, command.head.id)), None));
    assert_eq!(marks, [(Subject::Message, command.head.id, Mark::Dead)]);
    assert_eq!(event.correlation_id, Some(session("s1")));
    let body: Value = serde_json::from_str(&event.body).unwrap();
    let expected = json!({
        "queue": "egress.message.send.b", "reason": "failed", "attempts": 7,
        "error": "Tropo rejected the message for good: token", "time": "2026-03-01T09:00:00Z",
    });
    assert_eq!(body, expected);

    let again = dead(&outgoing, &headers);
    assert_eq!(again.event.id, event.id, "the same death");
    let mut later = headers;
    later[4].1 = "2026-03-01T10:00:00Z";
    assert_ne!(dead(&outgoing, &later).event.id, event.id, "it was replayed, and is dead again");
    assert_ne!(event.id, command.head.id);
}

#[test]
fn a_dead_letter_that_others_gave_up_is_kept_as_far_as_it_tells() {
    let long = "\u{e9}".repeat(3000);
    let JournalEntry { event, marks, .. } = dead(&Outgoing::new(&text()), &[(ERROR, &long), (ATTEMPT, "many")]);
    let body: Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!((&body["queue"], &body["attempts"], &body["time"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(body["error"].as_str().unwrap().len(), HEADER_BYTES_MAX);
    assert_eq!((event.at, marks), (now(), Vec::new()));
    assert_eq!(event.of, Some((Subject::Text, text().head.id)));
}

#[test]
fn a_clock_that_is_far_ahead_is_not_believed() {
    let at = |time: Timestamp| {
        let head = Head { time, ..text().head };
        entry_of(&Envelope { head, data: text().data }).event.at
    };
    let ahead = now().saturating_add(Duration::from_secs(60)).unwrap();
    assert_eq!(at(ahead), ahead);
    assert_eq!(at(Timestamp::MAX), now());
    let precise: Timestamp = "2026-03-01T09:30:15.123456789Z".parse().unwrap();
    assert_eq!(at(precise), "2026-03-01T09:30:15.123456Z".parse().unwrap());
}
