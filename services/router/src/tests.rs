use std::collections::BTreeMap;

use protocol::{EventId, EventType, Head, Kind};

use super::*;
use crate::applications::received;
use crate::config::DefaultAnswer;

fn config(applications: &[&str]) -> Config {
    Config {
        applications: applications.iter().map(|&name| name.to_owned()).collect(),
        prefetch: 1,
        keyword: BTreeMap::from([(
            "ping".to_owned(),
            KeywordRule { words: Vec::new(), reply: "pong".parse().unwrap() },
        )]),
        default: DefaultAnswer { reply: "Sorry, RapidSMS could not understand your message.".parse().unwrap() },
    }
}

fn envelope(data: MessageReceived) -> Envelope<MessageReceived> {
    let backend = "b".parse().unwrap();
    let id = EventId::of_webhook(&backend, &data.session_id, Kind::MessageReceived, "");
    Envelope::of_webhook(id, backend, data.session_id.clone(), now(), data)
}

fn own_numbers() -> BTreeSet<Address> {
    BTreeSet::from(["+15555550100".parse().unwrap()])
}

fn now() -> Timestamp {
    "2026-03-01T09:30:15Z".parse().unwrap()
}

fn route(applications: &[&str], text: &str) -> Vec<Envelope<MessageSend>> {
    let outgoing = Router::new(&config(applications), own_numbers()).unwrap().route(&envelope(received(text)), now());
    outgoing.iter().map(|event| Envelope::from_body(event.body()).unwrap()).collect()
}

#[track_caller]
fn check(text: &str, application: &str, reply: &str) {
    let replies = route(&["echo", "keyword", "default"], text);
    let [reply_sent] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!(reply_sent.data.text.as_str(), reply);
    assert_eq!(reply_sent.data.application.as_deref(), Some(application));
    assert_eq!(reply_sent.data.to.as_str(), "+15555550177");
    assert_eq!(reply_sent.data.from.as_ref().unwrap().as_str(), "+15555550100");
}

#[test]
fn the_first_answer_wins() {
    check("echo ping", "echo", "ping");
    check("ping", "keyword", "pong");
    check("hello", "default", "Sorry, RapidSMS could not understand your message.");
    assert_eq!(route(&["default", "echo"], "echo x")[0].data.application.as_deref(), Some("default"));
}

#[test]
fn the_same_text_is_answered_with_the_same_id_in_the_same_conversation() {
    let (first, second) = (route(&["echo"], "echo x"), route(&["echo"], "echo x"));
    assert_eq!(first[0].head, second[0].head);
    let cause = envelope(received("echo x")).head;
    let Head { id, event_type, backend, correlation_id, causation_id, .. } = first[0].head.clone();
    assert_eq!(id, cause.id.derive(Kind::MessageSend, 0));
    assert_eq!(event_type, EventType { kind: Kind::MessageSend, version: 1 });
    assert_eq!((backend, correlation_id, causation_id), (cause.backend, cause.correlation_id, Some(cause.id)));
}

#[track_caller]
fn check_ignored(applications: &[&str], data: MessageReceived, reason: IgnoredReason) {
    let outgoing = Router::new(&config(applications), own_numbers()).unwrap().route(&envelope(data), now());
    let [event] = outgoing.as_slice() else { panic!("{outgoing:?}") };
    assert_eq!(Envelope::<SessionIgnored>::from_body(event.body()).unwrap().data.reason, reason);
}

#[test]
fn a_text_that_nobody_answers_is_on_record() {
    check_ignored(&["echo"], received("hello"), IgnoredReason::NoAnswer);
    let withheld = MessageReceived { from: Address::Withheld, ..received("echo x") };
    check_ignored(&["echo", "default"], withheld, IgnoredReason::WithheldSender);
    let own = MessageReceived { from: "15555550100".parse().unwrap(), ..received("echo x") };
    check_ignored(&["echo", "default"], own, IgnoredReason::OwnNumber);
}

#[test]
fn applications_are_known_and_asked_once() {
    assert_eq!(
        Router::new(&config(&["ecko"]), own_numbers()).unwrap_err(),
        ConfigError::UnknownApplication { name: "ecko".to_owned() }
    );
    assert_eq!(
        Router::new(&config(&["echo", "echo"]), own_numbers()).unwrap_err(),
        ConfigError::Repeated { name: "echo".to_owned() }
    );
}
