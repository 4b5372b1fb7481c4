use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::{Address, Network};

fn head(event_type: EventType) -> Head {
    Head {
        id: "0b8f6a52-58c1-5c0e-9d3a-0e6f6d6f3a11".parse().unwrap(),
        event_type,
        backend: "my-tropo-backend".parse().unwrap(),
        correlation_id: Some("9f0c4be1a27d4d7f8a53e6b1c0d92e44".parse().unwrap()),
        causation_id: Some("5d2a61c0-7f43-5b4e-8a11-2c9e7a5f0d22".parse().unwrap()),
        time: "2026-03-01T09:30:15.204Z".parse().unwrap(),
    }
}

/// The event is written exactly as its fixture, and the fixture reads back as the event.
#[track_caller]
fn check<T: Event + PartialEq>(data: T) {
    let envelope = Envelope { head: head(EventType { kind: T::KIND, version: T::VERSION }), data };
    let name = format!("{}.json", envelope.head.event_type);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/event/fixtures").join(&name);
    let written = serde_json::to_string_pretty(&envelope).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}; run once with BLESS=1"));
    assert_eq!(written, golden, "{name}");
    assert_eq!(Envelope::<T>::from_body(golden.as_bytes()).unwrap(), envelope, "{name}");
    assert_eq!(Envelope::<T>::from_body(&envelope.to_body()).unwrap(), envelope, "{name}");
}

fn message() -> EventId {
    "f3b1c1de-0a5b-5a7c-bb0e-3f9d4c2e1a33".parse().unwrap()
}

fn session() -> SessionId {
    "c2d0aa07b3c94e2d9d1b7d0c6e8f2a10".parse().unwrap()
}

fn number(written: &str) -> Address {
    written.parse().unwrap()
}

#[test]
fn every_event_is_written_as_its_golden_fixture() {
    let (message_id, session_id) = (message(), session());
    let at: Timestamp = "2026-03-01T09:30:16.011Z".parse().unwrap();
    check(MessageReceived {
        session_id: session_id.clone(),
        from: number("+15555550177"),
        to: Some(number("+15555550100")),
        text: "BAL 4711 ✓".parse().unwrap(),
        network: Network::sms(),
    });
    check(MessageOffered {
        application: "stock".to_owned(),
        session_id: session_id.clone(),
        from: number("+15555550177"),
        to: Some(number("+15555550100")),
        text: "BAL 4711 ✓".parse().unwrap(),
        network: Network::sms(),
        notes: BTreeMap::from([("language".to_owned(), "en".to_owned())]),
    });
    check(MessageRouted {
        session_id: session_id.clone(),
        outcome: RoutedOutcome::Answered,
        application: Some("stock".to_owned()),
        replies: 1,
        asked: vec![
            AskedApplication {
                application: "subscription".to_owned(),
                phase: Phase::Filter,
                said: SaidWord::Passed,
                took_us: 3,
                because: None,
            },
            AskedApplication {
                application: "stock".to_owned(),
                phase: Phase::Handle,
                said: SaidWord::Took,
                took_us: 18_250,
                because: Some("answered with 1 text".to_owned()),
            },
        ],
        attempts: 1,
    });
    check(MessageSend {
        to: number("+15555550177"),
        text: "Balance is 12".parse().unwrap(),
        from: Some(number("+15555550100")),
        network: Network::sms(),
        application: Some("keyword".to_owned()),
        expires_at: Some(at),
    });
    check(MessageLaunched { message_id, session_id: session_id.clone(), attempt: 1, took_us: Some(48_120) });
    check(MessageDelayed {
        message_id,
        attempt: 1,
        reason: DelayedReason::Throttled,
        status: Some(429),
        detail: "Tropo refused to create a session: Tropo asks to wait".to_owned(),
        retry_at: Some(at),
        session_id: None,
    });
    check(MessageReleased { message_id, session_id: session_id.clone(), released_at: at });
    check(MessageSent { message_id, session_id: session_id.clone() });
    check(MessageDelivered { message_id, session_id: session_id.clone(), status: "accepted".to_owned() });
    check(MessageFailed {
        message_id,
        session_id: Some(session_id.clone()),
        reason: FailureReason::Incomplete,
        detail: "the session could not hand the message over".to_owned(),
    });
    check(MessageUnconfirmed { message_id, session_id: session_id.clone(), released_at: at });
    check(MessageExpired { message_id, attempts: 7, expired_at: at });
    check(MessageSuppressed { message_id, reason: SuppressedReason::OptedOut });
    check(SessionResult {
        message_id,
        session_id: session_id.clone(),
        handler: ResultHandler::Continue,
        state: Some("ANSWERED".to_owned()),
        error: None,
    });
    check(SessionIgnored { session_id: session_id.clone(), reason: IgnoredReason::NotText });
    check(DeliveryReported { session_id, status: "accepted".to_owned() });
}

#[test]
fn a_reader_tells_newer_other_and_broken_apart() {
    let send = MessageSend {
        to: number("+15555550177"),
        text: "hi".parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: None,
        expires_at: None,
    };
    let body = |version| {
        let head = head(EventType { kind: Kind::MessageSend, version });
        Envelope { head, data: send.clone() }.to_body()
    };
    assert!(Envelope::<MessageSend>::from_body(&body(1)).is_ok());
    assert!(matches!(Envelope::<MessageSend>::from_body(&body(2)), Err(EnvelopeError::Newer { .. })));
    assert!(matches!(Envelope::<MessageReceived>::from_body(&body(1)), Err(EnvelopeError::OtherKind { .. })));
    assert!(matches!(Envelope::<MessageSend>::from_body(b"{}"), Err(EnvelopeError::Unreadable { .. })));
    assert!(matches!(Envelope::<MessageSend>::from_body(b"\xff"), Err(EnvelopeError::Unreadable { .. })));
}

#[test]
fn what_is_wrong_with_a_body_is_told_without_quoting_it() {
    let body = br#"{"id":"f3b1c1de-0a5b-5a7c-bb0e-3f9d4c2e1a33","type":"message.send.v1","backend":"b",
        "time":"2026-03-01T09:30:15Z","data":{"to":15555550177,"text":"hi"}}"#;
    let error = Envelope::<MessageSend>::from_body(body).unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains("line 2") && !told.contains("5555"), "{told}");
}

#[test]
fn a_command_needs_only_what_a_person_would_write() {
    let body = br#"{"id":"f3b1c1de-0a5b-5a7c-bb0e-3f9d4c2e1a33","type":"message.send.v1","backend":"b",
        "time":"2026-03-01T09:30:15Z","later":{"field":1},"data":{"to":"1 555 555 0177","text":"hi","later":1}}"#;
    let envelope = Envelope::<MessageSend>::from_body(body).unwrap();
    assert_eq!(envelope.data.to, number("+15555550177"));
    assert_eq!(envelope.data.network, Network::sms());
}

/// Queues and the journal hold events from before a member was added.
#[test]
fn what_was_written_without_the_members_of_today_is_read() {
    let read = |data: &str| {
        let head = r#""id":"f3b1c1de-0a5b-5a7c-bb0e-3f9d4c2e1a33","backend":"b","time":"2026-03-01T09:30:15Z""#;
        Envelope::<MessageLaunched>::from_body(format!(r#"{{{head},"type":"message.launched.v1",{data}}}"#).as_bytes())
    };
    let launched = read(&format!(r#""data":{{"message_id":"{}","session_id":"s","attempt":2}}"#, message())).unwrap();
    assert_eq!((launched.data.attempt, launched.data.took_us), (2, None));
}

#[test]
fn kinds_and_types_read_back() {
    for kind in Kind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        let event_type = EventType { kind, version: 3 };
        assert_eq!(event_type.to_string().parse(), Ok(event_type));
    }
    assert_eq!("message.received".parse::<EventType>(), Err(UnknownKind));
    assert_eq!("message.eaten.v1".parse::<EventType>(), Err(UnknownKind));
}

/// Who publishes a kind, who consumes it, and what it says. A new kind stops the build until it is described.
pub(super) fn described(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::MessageReceived => ("ingress", "router", "A person texted us."),
        Kind::MessageRouted => (
            "router",
            "",
            "What the applications said to a text, and what came of it. `outcome` is `answered`, `offered`, `taken`, \
             `filtered`, `unanswered`, `not_asked` or `given_up`; `said` is `passed`, `changed`, `took`, `cancelled`, \
             `away` or `failed`.",
        ),
        Kind::MessageOffered => (
            "router",
            "the application's queue, `application.<name>`",
            "A text is handed to an application on the bus. It answers with `message.send`, when it likes; the cause of \
             that is the text: the cause of this event.",
        ),
        Kind::MessageSend => {
            ("router, or any application", "egress", "Send this. The id of the event is the id of the message.")
        }
        Kind::MessageLaunched => ("egress", "", "Tropo has a session for the message. Progress: nothing rests on it."),
        Kind::MessageDelayed => (
            "egress",
            "",
            "An attempt to send the message came to nothing, and another will be made, at `retry_at` at the earliest. \
             The first eight attempts are told, and then the 16th, the 32nd and so on. `reason` is `unreachable`, \
             `throttled`, `unavailable`, `refused`, `no_call_back`, `unreadable` or `ledger`. Progress: nothing rests \
             on it.",
        ),
        Kind::MessageReleased => ("egress", "", "The document was handed to that session: the phone may ring now."),
        Kind::MessageSent => ("egress", "", "Tropo reported that it took the message."),
        Kind::MessageDelivered => ("egress", "", "The carrier reported a delivery."),
        Kind::MessageFailed => (
            "egress",
            "",
            "It was not sent, and will not be unless somebody replays it. `reason` is `refused`, \
             `incomplete`, `session_error`, `undelivered` or `unsendable`.",
        ),
        Kind::MessageUnconfirmed => {
            ("egress", "", "Released, and no result came in its time: it may or may not have been sent.")
        }
        Kind::MessageExpired => ("egress", "", "Its time to live ran out before any session took it."),
        Kind::MessageSuppressed => {
            ("egress", "", "It may not be sent. Reserved: nothing publishes it yet. `reason` is `opted_out`.")
        }
        Kind::SessionResult => (
            "ingress",
            "egress",
            "What a session reported to a handler of its document. `handler` is `continue`, \
             `incomplete` or `error`.",
        ),
        Kind::SessionIgnored => (
            "ingress, router",
            "",
            "A session that no message answers. `reason` is `not_text`, `foreign_launch`, \
             `withheld_sender`, `own_number`, `no_answer`, `filtered` or `no_reply`.",
        ),
        Kind::DeliveryReported => (
            "ingress",
            "egress",
            "A delivery report. Tropo names only the session that sent the message, so that is \
             its correlation id.",
        ),
    }
}

const INTRODUCTION: &str = "\
# Events

The contract on the bus, for applications in any language. Made from the code: a test compares it.

Publish to one durable topic exchange, `tropomq`. The routing key is `<kind>.<backend>`; where the backend alone does not
say which queue an event goes to, one more word follows it, as after `message.received` the shard of the person
([ADR 0014](adr/0014-order-per-person.md)). So bind with `<kind>.<backend>.#`, or `<kind>.#` for every backend. Bodies are
JSON, persistent, with the event's own description of itself beside its `data`; AMQP properties repeat that for brokers
and tools.

A queue that listens to events is bound to `tropomq`. One whose messages are work, which must not be lost when the queue
is deleted, is bound to `tropomq.work`, and that exchange to `tropomq` with the same key, as ours are: what comes to
`tropomq.work` and finds no queue is kept on `tropomq.unrouted`.

| in the body | as AMQP property | is |
| --- | --- | --- |
| `id` | `message_id` | UUIDv5 of cause, kind and index: the same cause yields the same id, so a duplicate is known |
| `type` | `type` | kind and version; a reader takes every version up to the one it knows |
| `backend` | third word of the routing key | the backend that it concerns |
| `correlation_id` | `correlation_id` | the Tropo session that began the conversation |
| `causation_id` | header `causation-id` | the event that caused this one |
| `time` | `timestamp` (seconds) | when it happened |
| | `app_id` | the service that published it |
| | headers `traceparent`, `tracestate` | W3C trace context |

A new optional field does not change the version; readers pass over what they do not know. Everything else does, a new
word in a field that takes one of a few too. Whoever reads a version reads all before it. A kind, or a version, that is newer
than its reader harms nobody: no queue of ours is bound to a kind that its consumer does not know, what is of a later
version becomes a dead letter with the reason `unreadable`, to be replayed once the consumer is upgraded, and the
journal keeps either as it is.

To have a message sent, publish `message.send.<backend>` with a fresh UUID as `id`; `data` needs `to` and `text` alone.
Publish with confirms. A command for a backend that egress does not know ends on the queue `tropomq.unrouted`. Egress
publishes a command again, with the same id, where its backend resends what stays unconfirmed.
";

#[test]
fn a_routing_key_names_kind_backend_and_where_there_is_one_the_detail() {
    let text = MessageReceived {
        session_id: session(),
        from: number("+15555550177"),
        to: None,
        text: "hello".parse().unwrap(),
        network: Network::sms(),
    };
    let received = Envelope { head: head("message.received.v1".parse().unwrap()), data: text };
    assert_eq!(received.routing_key(), "message.received.my-tropo-backend.07");
    let data = MessageSent { message_id: message(), session_id: session() };
    let sent = Envelope::caused_by(&received.head, 0, received.head.time, data);
    assert_eq!(sent.routing_key(), "message.sent.my-tropo-backend");
    let backend: BackendName = "my-tropo-backend".parse().unwrap();
    for (kind, key) in [(Kind::MessageReceived, received.routing_key()), (Kind::MessageSent, sent.routing_key())] {
        assert_eq!(Kind::of_routing_key(&key), Some((kind, backend.clone())));
    }
    for other in ["", "message.sent", "message.sent.", "message.sender.a", "egress.message.send.a", "message.send.*"] {
        assert_eq!(Kind::of_routing_key(other), None, "{other}");
    }
}

#[test]
fn the_contract_is_written_down_as_it_is() {
    use std::fmt::Write;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut document = INTRODUCTION.to_owned();
    for kind in Kind::ALL {
        let (from, to, says) = described(kind);
        let to = if to.is_empty() { String::new() } else { format!(", to {to}") };
        let fixture = root.join("src/event/fixtures").join(format!("{kind}.v1.json"));
        let fixture = fs::read_to_string(fixture).unwrap();
        write!(document, "\n## {kind}\n\nFrom {from}{to}. {says}\n\n```json\n{fixture}```\n").unwrap();
    }
    same_as_written("docs/events.md", &document);
}

/// What the code says stands in the file, or is put there.
#[track_caller]
pub(super) fn same_as_written(name: &str, document: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, document).unwrap();
    }
    let same = fs::read_to_string(&path).is_ok_and(|written| written == document);
    assert!(same, "{name} is not what the code says: run this test once with BLESS=1");
}

#[test]
fn an_offered_text_shows_nothing_of_a_person() {
    let offered = MessageOffered {
        application: "stock".to_owned(),
        session_id: session(),
        from: number("+15555550177"),
        to: None,
        text: "private".parse().unwrap(),
        network: Network::sms(),
        notes: BTreeMap::from([("language".to_owned(), "private".to_owned())]),
    };
    let shown = format!("{offered:?}");
    assert!(shown.contains("language") && !shown.contains("private"), "{shown}");
}
