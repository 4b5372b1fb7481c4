use messaging::headers::ROUTING_KEY;
use messaging::{BoxFuture, Outgoing, Properties, Settler};
use protocol::{
    BackendName, Envelope, FailureReason, Head, IgnoredReason, MessageFailed, MessageReceived, MessageRouted,
    MessageSend, MessageSent, Network, RoutedOutcome, SessionId, SessionIgnored, SessionResult,
};

use super::*;

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
    "2026-03-01T09:30:15Z".parse().unwrap()
}

fn delivery(event: &Outgoing) -> Delivery {
    Delivery {
        queue: QueueName::journal(),
        routing_key: format!("{}.{}", event.head().event_type.kind, event.head().backend),
        properties: Properties { message_id: Some(event.head().id.to_string()), ..Properties::default() },
        body: event.body().clone(),
        redelivered: false,
        settler: Box::new(Nobody),
    }
}

fn text() -> Envelope<MessageReceived> {
    let (backend, session_id): (BackendName, SessionId) = ("b".parse().unwrap(), "s1".parse().unwrap());
    let data = MessageReceived {
        session_id: session_id.clone(),
        from: "+15555550177".parse().unwrap(),
        to: None,
        text: "hello".parse().unwrap(),
        network: Network::sms(),
    };
    let id = EventId::of_webhook(&backend, &session_id, Kind::MessageReceived, "");
    Envelope::of_webhook(id, backend, session_id, now(), data)
}

fn answer(cause: &Head) -> Envelope<MessageSend> {
    let data = MessageSend {
        to: "+15555550177".parse().unwrap(),
        text: "hello".parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: None,
        expires_at: None,
    };
    Envelope::caused_by(cause, 0, now(), data)
}

/// The event says this: of what, and which mark.
#[track_caller]
fn check(event: &Outgoing, expected: &[(Subject, EventId, Mark)]) {
    let Noted { facts, entry, .. } = of_event(&delivery(event), now());
    let facts = facts.unwrap();
    let said: Vec<_> = facts.iter().map(|fact| (fact.subject, fact.id, fact.mark)).collect();
    assert_eq!(said, expected);
    assert_eq!(entry.unwrap().marks, expected, "the log says the same");
    assert!(facts.iter().all(|fact| fact.backend.as_str() == "b"));
}

#[test]
fn each_kind_marks_what_it_is_about() {
    let text = text();
    let (text_id, head) = (text.head.id, text.head.clone());
    check(&Outgoing::new(&text), &[(Subject::Text, text_id, Mark::Begun)]);
    let answer = answer(&head);
    let message_id = answer.head.id;
    let begun = (Subject::Message, message_id, Mark::Begun);
    check(&Outgoing::new(&answer), &[begun, (Subject::Text, text_id, Mark::Answered)]);
    let session_id: SessionId = "s2".parse().unwrap();
    let sent = MessageSent { message_id, session_id: session_id.clone() };
    let sent = Outgoing::new(&Envelope::caused_by(&head, 0, now(), sent));
    check(&sent, &[(Subject::Message, message_id, Mark::Sent)]);
    for (session_id, mark) in [(None, Mark::Refused), (Some(session_id.clone()), Mark::Failed)] {
        let data = MessageFailed { message_id, session_id, reason: FailureReason::Refused, detail: String::new() };
        let failed = Outgoing::new(&Envelope::caused_by(&head, 0, now(), data));
        check(&failed, &[(Subject::Message, message_id, mark)]);
    }
    let handler = protocol::ResultHandler::Continue;
    let result = SessionResult { message_id, session_id, handler, state: None, error: None };
    check(&Outgoing::new(&Envelope::caused_by(&head, 0, now(), result)), &[]);
}

#[test]
fn a_session_that_is_no_text_is_told_from_a_text_that_nobody_answers() {
    let text = text();
    let data = || SessionIgnored { session_id: "s1".parse().unwrap(), reason: IgnoredReason::NoAnswer };
    let of_text = Envelope::caused_by(&text.head, 0, now(), data());
    check(&Outgoing::new(&of_text), &[(Subject::Text, text.head.id, Mark::Ignored)]);
    let id = EventId::of_webhook(&text.head.backend, &"s1".parse().unwrap(), Kind::SessionIgnored, "");
    let of_session = Envelope::of_webhook(id, text.head.backend.clone(), "s1".parse().unwrap(), now(), data());
    check(&Outgoing::new(&of_session), &[(Subject::Session, id, Mark::Ignored)]);
}

/// An application may send because of any event; only the text that began the conversation is answered by it.
#[test]
fn a_command_that_something_else_caused_answers_no_text() {
    let sent = Head { id: EventId::from(uuid::Uuid::from_u128(7)), ..text().head };
    let command = answer(&sent);
    let begun = (Subject::Message, command.head.id, Mark::Begun);
    check(&Outgoing::new(&command), &[begun, (Subject::Text, sent.id, Mark::Caused)]);
}

#[test]
fn a_dead_letter_is_a_text_or_a_message_by_the_queue_that_gave_it_up() {
    let text = text();
    let dead = |queue: &str, event: &Outgoing| {
        let mut dead = delivery(event);
        dead.properties.headers.insert(QUEUE.to_owned(), queue.to_owned());
        let facts = of_dead_letter(&dead, now()).facts.unwrap();
        facts.iter().map(|fact| (fact.subject, fact.id, fact.mark)).collect::<Vec<_>>()
    };
    let (received, command) = (Outgoing::new(&text), Outgoing::new(&answer(&text.head)));
    for queue in ["router.message.received", "router.message.received.07"] {
        assert_eq!(dead(queue, &received), [(Subject::Text, text.head.id, Mark::Dead)]);
    }
    let message = command.head().id;
    assert_eq!(dead("egress.message.send.b", &command), [(Subject::Message, message, Mark::Dead)]);
    assert_eq!(dead("egress.session.result", &command), []);
    assert_eq!(dead("another.application", &received), []);
    assert_eq!(of_dead_letter(&delivery(&received), now()).facts, None);
}

/// A command that nobody can read is dead, and was begun: both are known by its properties.
#[test]
fn what_has_no_readable_body_is_known_by_its_properties() {
    let mut broken = delivery(&Outgoing::new(&answer(&text().head)));
    broken.body = bytes::Bytes::from_static(b"{");
    let begun = of_event(&broken, now()).facts.unwrap();
    broken.routing_key = "egress.message.send.b".to_owned();
    broken.properties.headers.insert(ROUTING_KEY.to_owned(), "message.send.b".to_owned());
    broken.properties.headers.insert(QUEUE.to_owned(), "egress.message.send.b".to_owned());
    let dead = of_dead_letter(&broken, now()).facts.unwrap();
    assert_eq!((begun[0].id, begun[0].mark, dead[0].mark), (dead[0].id, Mark::Begun, Mark::Dead));
    assert_eq!(begun[0].backend, dead[0].backend);
    broken.properties.message_id = None;
    assert_eq!(of_event(&broken, now()), Noted::default());
}

fn routed(outcome: RoutedOutcome) -> MessageRouted {
    let session_id = "s1".parse().unwrap();
    MessageRouted { session_id, outcome, application: None, replies: 0, asked: Vec::new(), attempts: 1 }
}

/// The replies are, or the dead letter.
#[test]
fn what_was_said_to_a_text_is_kept_and_no_part_of_the_account() {
    let event = Envelope::caused_by(&text().head, 1, now(), routed(RoutedOutcome::GivenUp));
    let Noted { facts, entry } = of_event(&delivery(&Outgoing::new(&event)), now());
    assert_eq!(facts, Some(Vec::new()));
    let entry = entry.unwrap();
    assert_eq!((entry.marks, entry.content), (Vec::new(), None));
    assert_eq!(serde_json::from_str::<MessageRouted>(&entry.event.body).unwrap(), event.data);
}

/// While versions are mixed, what a newer router says is kept as it is.
#[test]
fn words_of_a_newer_version_are_kept() {
    let event = Outgoing::new(&Envelope::caused_by(&text().head, 0, now(), routed(RoutedOutcome::Answered)));
    let mut delivery = delivery(&event);
    let newer = String::from_utf8(delivery.body.to_vec()).unwrap().replace("answered", "a_word_to_come");
    delivery.body = bytes::Bytes::from(newer);
    let entry = of_event(&delivery, now()).entry.unwrap();
    assert!(entry.event.body.contains("a_word_to_come"), "{}", entry.event.body);
}
