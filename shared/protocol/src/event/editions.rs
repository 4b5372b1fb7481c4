//! What released editions wrote is read: `editions/<release>` holds each event as that release did, and nothing ever writes
//! there again. `docs/releasing.md` says how an edition is added.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

/// Every event of every release, as it was written: the release, the type, the body.
fn released() -> Vec<(String, EventType, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/event/editions");
    let mut found = Vec::new();
    for release in fs::read_dir(folder).unwrap() {
        let release = release.unwrap();
        for file in fs::read_dir(release.path()).unwrap() {
            let name = file.as_ref().unwrap().file_name().into_string().unwrap();
            let event_type = name.strip_suffix(".json").unwrap().parse().unwrap_or_else(|_| panic!("{name}"));
            let body = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            found.push((release.file_name().into_string().unwrap(), event_type, body));
        }
    }
    found
}

/// Reads a body as whoever consumes the kind does, and writes it again.
fn reread(kind: Kind, body: &Value) -> Result<Value, EnvelopeError> {
    fn as_event<T: Event>(body: &Value) -> Result<Value, EnvelopeError> {
        let read = Envelope::<T>::from_body(body.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&read.to_body()).unwrap())
    }
    match kind {
        Kind::MessageReceived => as_event::<MessageReceived>(body),
        Kind::MessageRouted => as_event::<MessageRouted>(body),
        Kind::MessageOffered => as_event::<MessageOffered>(body),
        Kind::MessageSend => as_event::<MessageSend>(body),
        Kind::MessageLaunched => as_event::<MessageLaunched>(body),
        Kind::MessageDelayed => as_event::<MessageDelayed>(body),
        Kind::MessageReleased => as_event::<MessageReleased>(body),
        Kind::MessageSent => as_event::<MessageSent>(body),
        Kind::MessageDelivered => as_event::<MessageDelivered>(body),
        Kind::MessageFailed => as_event::<MessageFailed>(body),
        Kind::MessageUnconfirmed => as_event::<MessageUnconfirmed>(body),
        Kind::MessageExpired => as_event::<MessageExpired>(body),
        Kind::MessageSuppressed => as_event::<MessageSuppressed>(body),
        Kind::SessionResult => as_event::<SessionResult>(body),
        Kind::SessionIgnored => as_event::<SessionIgnored>(body),
        Kind::DeliveryReported => as_event::<DeliveryReported>(body),
    }
}

/// Puts a member that nobody knows into every object, at every depth. `notes` alone is no object of ours but a map, in
/// which every member is somebody's.
fn added_to(value: &Value, added: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let known = members.iter().map(|(name, value)| {
                let value = if name == "notes" { value.clone() } else { added_to(value, added) };
                (name.clone(), value)
            });
            // Before the others and behind them: a reader may go through them in order.
            let first = ("a_later_member".to_owned(), added.clone());
            let last = ("zz_later_member".to_owned(), added.clone());
            [first].into_iter().chain(known).chain([last]).collect()
        }
        Value::Array(items) => items.iter().map(|item| added_to(item, added)).collect(),
        plain => plain.clone(),
    }
}

#[test]
fn what_a_release_wrote_is_read_and_nothing_of_it_is_lost() {
    let released = released();
    assert!(!released.is_empty());
    for (release, event_type, body) in released {
        assert_eq!(body["type"], event_type.to_string(), "{release}");
        let reread = reread(event_type.kind, &body).unwrap_or_else(|error| panic!("{release}, {event_type}: {error}"));
        if reread["type"] == body["type"] {
            assert_eq!(reread, body, "{release}, {event_type}");
        }
    }
}

#[test]
fn what_a_later_release_adds_is_passed_over_wherever_it_stands() {
    for (release, event_type, body) in released() {
        let plain = reread(event_type.kind, &body).unwrap();
        for added in [json!(null), json!(7), json!("words"), json!([1, [2]]), json!({ "id": 1, "data": { "to": "" } })]
        {
            let more = added_to(&body, &added);
            assert_ne!(more, body);
            let reread = reread(event_type.kind, &more);
            let reread = reread.unwrap_or_else(|error| panic!("{release}, {event_type} with {added}: {error}"));
            assert_eq!(reread, plain, "{release}, {event_type} with {added}");
            let any = Envelope::any_from_body(more.to_string().as_bytes()).unwrap();
            assert_eq!(any.data, more["data"], "who keeps or shows an event has all of it");
        }
    }
}

#[test]
fn a_later_version_of_any_kind_is_told_from_a_broken_event() {
    for (_, event_type, mut body) in released() {
        body["type"] = EventType { version: 99, ..event_type }.to_string().into();
        // Of another form, besides: that is what makes it another version.
        body["data"] = json!({ "of": "another form" });
        let refused = reread(event_type.kind, &body);
        assert!(matches!(refused, Err(EnvelopeError::Newer { .. })), "{event_type}: {refused:?}");
    }
}

#[test]
fn a_release_has_every_event_that_there_was() {
    let first: BTreeSet<String> =
        released().into_iter().filter(|(release, ..)| release == "0.1").map(|(_, kind, _)| kind.to_string()).collect();
    assert_eq!(first.len(), 16, "{first:?}");
}
