//! Events as they are shown.

use protocol::{Address, BackendName, EventId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{JournalEvent, Subject};
use utoipa::ToSchema;

use super::person;
use crate::guard::{Caller, Scope};
use crate::masked::numbers;

/// What stands in the place of words that are not for the caller.
const MASKED: &str = "•••";

/// The members of an event's data that say nothing of a person, whatever they say.
const PLAIN: [&str; 20] = [
    "action",
    "application",
    "attempt",
    "backend",
    "expires_at",
    "handler",
    "id",
    "kind",
    "message_id",
    "network",
    "outcome",
    "phase",
    "queue",
    "reason",
    "released_at",
    "reported_at",
    "retry_at",
    "said",
    "session_id",
    "time",
];

/// The members in which carriers and Tropo say how it stands, in words of their own.
const TOLD: [&str; 2] = ["state", "status"];

/// An event of the journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShownEvent {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EventId,
    /// Its kind, as in `message.sent`, or `dead_letter`.
    pub kind: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Its backend.
    #[schema(value_type = String)]
    pub backend: BackendName,
    /// The Tropo session that began its conversation.
    #[schema(value_type = Option<String>)]
    pub correlation_id: Option<SessionId>,
    /// The Tropo session that it is about.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
    /// What it is about: `text`, `message` or `session`.
    #[schema(value_type = Option<String>)]
    pub subject: Option<Subject>,
    /// The id of that.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub subject_id: Option<EventId>,
    /// What it says: the data of the event. What names or quotes a person is masked without the scope `people`.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl ShownEvent {
    /// An event, as this caller may see it.
    pub(crate) fn of(event: JournalEvent, caller: &Caller) -> Self {
        let JournalEvent { id, kind, at, backend, correlation_id, session_id, of, body } = event;
        // What was kept of a body that nobody could read is no JSON.
        let data = serde_json::from_str(&body).unwrap_or(Value::Null);
        let data = if caller.has(Scope::People) { data } else { masked(data) };
        let (subject, subject_id) = of.unzip();
        Self { id, kind, at, backend, correlation_id, session_id, subject, subject_id, data }
    }
}

/// The data of an event without what names or quotes a person: short numbers and yes or no stay, and the words that are
/// known to be ours.
pub(crate) fn masked(data: Value) -> Value {
    mask("", data)
}

fn mask(name: &str, data: Value) -> Value {
    match data {
        Value::Object(members) => {
            let masked = members.into_iter().map(|(member, value)| {
                // What applications note goes by names of their own.
                let value = mask(if name == "notes" { "" } else { &member }, value);
                (member, value)
            });
            Value::Object(masked.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| mask(name, item)).collect()),
        Value::String(said) if PLAIN.contains(&name) => Value::String(said),
        Value::String(said) if TOLD.contains(&name) => Value::String(numbers(&said)),
        Value::String(said) if matches!(name, "from" | "to" | "person") => {
            Value::String(said.parse().map_or_else(|_| MASKED.to_owned(), |address: Address| person(&address, false)))
        }
        Value::String(_) => Value::String(MASKED.to_owned()),
        // A number of somebody may be written without quotes.
        Value::Number(ref said) if !PLAIN.contains(&name) && numbers(&said.to_string()) != said.to_string() => {
            Value::String(MASKED.to_owned())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => data,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_names_or_quotes_a_person_is_masked_and_nothing_else() {
        let data = json!({
            "message_id": "6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7",
            "to": "+15555550177",
            "text": "how are you",
            "detail": "no such number: +15555550177",
            "attempt": 3,
            "reason": "refused",
            "status": "accepted for 15555550177",
            "said": [{ "words": "x", "phase": "answer" }],
            "notes": { "status": "pregnant" },
            "something_new": "anybody",
            "person": 15_555_550_177_u64,
            "took_ms": 99_999,
        });
        let expected = json!({
            "message_id": "6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7",
            "to": "•••77",
            "text": "•••",
            "detail": "•••",
            "attempt": 3,
            "reason": "refused",
            "status": "accepted for •••",
            "said": [{ "words": "•••", "phase": "answer" }],
            "notes": { "status": "•••" },
            "something_new": "•••",
            "person": "•••",
            "took_ms": 99_999,
        });
        assert_eq!(masked(data), expected);
    }
}
