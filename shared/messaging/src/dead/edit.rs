//! A letter with other data: its event as it was, but for what may change.

use std::fmt;

use bytes::Bytes;
use protocol::topology::QueueName;
use protocol::{Envelope, Event, Kind, MessageReceived, MessageSend};
use serde_json::{Map, Value};

use crate::Delivery;
use crate::headers::QUEUE;

/// What may change of a message: all but who wants it sent.
const OF_A_MESSAGE: &[&str] = &["to", "text", "from", "network", "expires_at"];

/// What may change of a text: not who texted, whose other texts are on the same queue, and not in which session.
const OF_A_TEXT: &[&str] = &["to", "text", "network"];

/// What an event shall say instead: all of its data. Personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Data(pub Map<String, Value>);

/// Without what it says.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Data").finish_non_exhaustive()
    }
}

/// What may change of an event of this kind; nothing, where it tells what happened elsewhere.
#[must_use]
pub fn editable(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::MessageSend => OF_A_MESSAGE,
        Kind::MessageReceived => OF_A_TEXT,
        Kind::MessageOffered
        | Kind::MessageRouted
        | Kind::MessageLaunched
        | Kind::MessageDelayed
        | Kind::MessageReleased
        | Kind::MessageSent
        | Kind::MessageDelivered
        | Kind::MessageFailed
        | Kind::MessageUnconfirmed
        | Kind::MessageExpired
        | Kind::MessageSuppressed
        | Kind::SessionResult
        | Kind::SessionIgnored
        | Kind::DeliveryReported => &[],
    }
}

/// The body of a letter, with other data. Its head stays as it is: its id, by which it is recognized, its kind and its
/// backend.
///
/// # Errors
/// Why it cannot be; quotes no value.
pub(super) fn body(delivery: &Delivery, data: &Data) -> Result<Bytes, String> {
    if delivery.properties.headers.get(QUEUE).is_some_and(|queue| queue == QueueName::journal().as_str()) {
        return Err("it is a copy for the record, which must say what happened".to_owned());
    }
    let event = Envelope::any_from_body(&delivery.body);
    let event = event.map_err(|error| format!("it cannot be told what it is about: {error}"))?;
    match event.head.event_type.kind {
        Kind::MessageReceived => with::<MessageReceived>(event, data),
        Kind::MessageSend => with::<MessageSend>(event, data),
        kind => Err(format!("a {kind} tells what happened, which nobody can change")),
    }
}

fn with<T: Event>(mut event: Envelope<Value>, Data(data): &Data) -> Result<Bytes, String> {
    let may_change = editable(T::KIND);
    let value = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    let names = event.data.as_object().into_iter().flat_map(Map::keys).chain(data.keys());
    let changed = |name: &&String| value(event.data.get(name.as_str())) != value(data.get(*name));
    if let Some(name) = names.filter(changed).find(|name| !may_change.contains(&name.as_str())) {
        let may_change = may_change.join(", ");
        return Err(format!("of a {} may change: {may_change}; not {}", T::KIND, name.escape_debug()));
    }
    event.data = Value::Object(data.clone());
    // What came as JSON can be written as JSON.
    let body = serde_json::to_vec(&event).unwrap_or_default();
    match Envelope::<T>::from_body(&body) {
        Ok(_) => Ok(body.into()),
        Err(error) => Err(fault::<T>(data).unwrap_or_else(|| error.to_string())),
    }
}

/// Which member of the data cannot be: each stands on a line of its own, and that of the error is known.
fn fault<T: Event>(data: &Map<String, Value>) -> Option<String> {
    let written = serde_json::to_string_pretty(data).ok()?;
    let error = serde_json::from_str::<T>(&written).err()?;
    let told = error.to_string();
    if let Some((name, _)) = told.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
        return Some(format!("{name} is missing"));
    }
    // Of the last one it is that of the brace behind it.
    let lines = written.lines().take(error.line());
    let (name, _) = lines.filter_map(|line| line.trim_start().strip_prefix('"')?.split_once('"')).last()?;
    Some(format!("{name} has no valid value"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{BoxFuture, Properties, Settler};

    struct Nowhere;

    impl Settler for Nowhere {
        fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }

        fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    fn event(kind: &str, data: &Value) -> Value {
        json!({
            "id": "0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a55", "type": kind, "backend": "a",
            "time": "2026-08-01T10:00:00Z", "data": data,
        })
    }

    fn says(data: &Value) -> Data {
        Data(data.as_object().unwrap().clone())
    }

    fn edited(queue: &str, event: &Value, data: &Value) -> Result<Value, String> {
        let delivery = Delivery {
            queue: QueueName::dead(),
            routing_key: String::new(),
            properties: Properties { headers: [(QUEUE.to_owned(), queue.to_owned())].into(), ..Properties::default() },
            body: serde_json::to_vec(event).unwrap().into(),
            redelivered: false,
            settler: Box::new(Nowhere),
        };
        body(&delivery, &says(data)).map(|body| serde_json::from_slice(&body).unwrap())
    }

    #[track_caller]
    fn check(kind: &str, before: &Value, after: &Value, expected: Result<(), &str>) {
        let edited = edited("some.queue", &event(kind, before), after);
        assert_eq!(edited, expected.map(|()| event(kind, after)).map_err(str::to_owned));
    }

    #[test]
    fn of_a_message_changes_what_is_sent_and_not_who_wants_it_sent() {
        let before = json!({ "to": "+15555550100", "text": "words", "network": "SMS", "application": "survey" });
        let check = |after: Value, expected| check("message.send.v1", &before, &after, expected);
        check(
            json!({ "to": "+15555550101", "text": "other words", "network": "SMS", "application": "survey" }),
            Ok(()),
        );
        check(json!({ "to": "+15555550100", "text": "words", "application": "survey", "from": null }), Ok(()));
        let refused = "of a message.send may change: to, text, from, network, expires_at; not application";
        check(json!({ "to": "+15555550100", "text": "words", "network": "SMS" }), Err(refused));
        let refused = "of a message.send may change: to, text, from, network, expires_at; not txt";
        check(json!({ "to": "+1", "txt": "words", "text": "words", "application": "survey" }), Err(refused));
        check(json!({ "to": "", "text": "a", "application": "survey" }), Err("to has no valid value"));
        check(json!({ "to": "+15555550100", "text": 5, "application": "survey" }), Err("text has no valid value"));
        check(json!({ "to": "+15555550100", "application": "survey" }), Err("text is missing"));
    }

    #[test]
    fn of_a_text_changes_what_was_texted_and_not_by_whom() {
        let before = json!({ "session_id": "s", "from": "+15555550100", "text": "wrods", "network": "SMS" });
        let check = |after: Value, expected| check("message.received.v1", &before, &after, expected);
        check(json!({ "session_id": "s", "from": "+15555550100", "text": "words", "network": "SMS" }), Ok(()));
        let refused = "of a message.received may change: to, text, network; not from";
        check(json!({ "session_id": "s", "from": "+15555550101", "text": "words", "network": "SMS" }), Err(refused));
        let refused = "of a message.received may change: to, text, network; not session_id";
        check(json!({ "session_id": "t", "from": "+15555550100", "text": "words", "network": "SMS" }), Err(refused));
    }

    #[test]
    fn what_could_not_be_read_is_mended() {
        let before = json!({ "to": "+15555550100", "text": ["not", "words"] });
        check("message.send.v1", &before, &json!({ "to": "+15555550100", "text": "words" }), Ok(()));
    }

    #[test]
    fn what_happened_is_not_changed() {
        let sent = json!({ "message_id": "0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a55", "session_id": "s" });
        check("message.sent.v1", &sent, &sent, Err("a message.sent tells what happened, which nobody can change"));
        let send = json!({ "to": "+15555550100", "text": "words" });
        let refused = edited("journal.events", &event("message.send.v1", &send), &send).unwrap_err();
        assert!(refused.contains("for the record"), "{refused}");
        let refused = edited("q", &json!("words"), &send).unwrap_err();
        assert!(refused.contains("cannot be told what it is about"), "{refused}");
    }

    #[test]
    fn nobody_reads_the_data_in_a_log() {
        let data = says(&json!({ "to": "+15555550100" }));
        assert!(!format!("{data:?}").contains('5'));
    }
}
