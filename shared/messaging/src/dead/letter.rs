//! A dead letter, as it is told.

use std::collections::BTreeMap;
use std::fmt;

use protocol::{Envelope, Kind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Delivery;
use crate::headers::{ATTEMPT, DEAD_AT, ERROR, QUEUE, REASON, ROUTING_KEY};

/// How much is told of a letter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Neither headers nor payload: nothing about a person.
    #[default]
    Line,
    /// Headers, and the payload with every value of its data masked.
    Masked,
    /// Headers, and the payload as it is.
    Plain,
}

/// A dead letter, or a message that no queue was bound for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// When it was given up; for one that was not given up, when it was published.
    pub time: Option<Timestamp>,
    /// The id of the event.
    pub id: Option<String>,
    /// What it says: `message.send`.
    pub kind: Option<String>,
    /// The backend that it concerns.
    pub backend: Option<String>,
    /// The queue that it came from.
    pub queue: Option<String>,
    /// The routing key that it was first published with.
    pub routing_key: String,
    /// Why it is dead, in one word.
    pub reason: Option<String>,
    /// How many attempts were made.
    pub attempts: Option<u32>,
    /// The Tropo session that began its conversation.
    pub session: Option<String>,
    /// The chain of causes, outermost first.
    pub error: Option<String>,
    /// Who published it.
    pub application: Option<String>,
    /// When it was published.
    pub published: Option<Timestamp>,
    /// How long its body is.
    pub body_bytes: usize,
    /// Every header that it has; empty where only a line was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its body, if that was asked for: masked, or as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// Without what it says, and to whom.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("id", &self.id).field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Letter {
    /// What a delivery from `tropomq.dead` or `tropomq.unrouted` says about itself.
    pub(super) fn of(delivery: &Delivery, detail: Detail) -> Self {
        let Delivery { properties, body, .. } = delivery;
        let header = |name: &str| properties.headers.get(name).cloned();
        let published = properties.timestamp.and_then(|seconds| i64::try_from(seconds).ok());
        let published = published.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let dead_at = header(DEAD_AT).and_then(|written| written.parse().ok());
        let routing_key = header(ROUTING_KEY).unwrap_or_else(|| delivery.routing_key.clone());
        let message_type = properties.message_type.as_deref();
        let kind = message_type.map(|written| written.rsplit_once(".v").map_or(written, |(kind, _)| kind).to_owned());
        Self {
            time: dead_at.or(published),
            id: properties.message_id.clone(),
            kind,
            backend: Kind::of_routing_key(&routing_key)
                .map(|(_, backend)| backend)
                .or_else(|| Some(Envelope::any_from_body(body).ok()?.head.backend))
                .map(|backend| backend.to_string()),
            queue: header(QUEUE),
            reason: header(REASON),
            attempts: header(ATTEMPT).and_then(|written| written.parse().ok()),
            session: properties.correlation_id.clone(),
            error: header(ERROR),
            application: properties.app_id.clone(),
            published,
            body_bytes: body.len(),
            headers: if detail == Detail::Line { BTreeMap::new() } else { properties.headers.clone() },
            payload: payload(body, detail),
            routing_key,
        }
    }
}

fn payload(body: &[u8], detail: Detail) -> Option<Value> {
    match detail {
        Detail::Line => None,
        Detail::Masked => Some(serde_json::from_slice(body).map_or_else(|_| Value::from("(not JSON)"), masked)),
        Detail::Plain => {
            Some(serde_json::from_slice(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body))))
        }
    }
}

/// The members of an event's head are shown, the values in its data are not; of anything else nothing but its shape is.
fn masked(event: Value) -> Value {
    const HEAD: [&str; 6] = ["id", "type", "backend", "correlation_id", "causation_id", "time"];
    match event {
        Value::Object(members) => {
            let mask_member = |(name, value): (String, Value)| {
                let shown = if HEAD.contains(&name.as_str()) && !value.is_object() { value } else { mask(value) };
                (name, shown)
            };
            members.into_iter().map(mask_member).collect()
        }
        other => mask(other),
    }
}

fn mask(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::from("***"),
        Value::Array(items) => items.into_iter().map(mask).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, mask(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_masked_payload_keeps_the_head_and_the_shape() {
        let event = json!({
            "id": "a", "type": "message.send.v1", "backend": "b",
            "data": { "to": "+15555550100", "text": "words", "more": [1, null, { "x": true }] },
        });
        let body = serde_json::to_vec(&event).unwrap();
        let expected = json!({
            "id": "a", "type": "message.send.v1", "backend": "b",
            "data": { "to": "***", "text": "***", "more": ["***", null, { "x": "***" }] },
        });
        assert_eq!(payload(&body, Detail::Masked), Some(expected));
        assert_eq!(payload(&body, Detail::Plain), Some(event));
        assert_eq!(payload(&body, Detail::Line), None);
    }

    #[test]
    fn what_is_no_event_is_masked_whole() {
        assert_eq!(payload(b"call +15555550100", Detail::Masked), Some(json!("(not JSON)")));
        assert_eq!(payload(b"\"+15555550100\"", Detail::Masked), Some(json!("***")));
        assert_eq!(payload(br#"{"id":{"to":"+15555550100"}}"#, Detail::Masked), Some(json!({ "id": { "to": "***" } })));
        assert_eq!(payload(b"words", Detail::Plain), Some(json!("words")));
    }
}
