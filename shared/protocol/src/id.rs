//! Ids of events: derived from their cause, so that a repetition is recognised.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{BackendName, Kind, SessionId, Timestamp};

/// The namespace under which the ids of webhooks are derived.
const WEBHOOKS: Uuid = Uuid::from_u128(0x6a1f_3c52_9d0b_4e0e_8f43_7b1d_5c0a_21e7);

/// The namespace under which the ids of what applications ask for are derived.
const APPLICATIONS: Uuid = Uuid::from_u128(0x0c58_7de1_44b6_4f0c_9f3e_a1d2_66f0_9b35);

/// The id of an event. The id of a `message.send` event is the id of the message.
///
/// Invariant: an event's id is UUIDv5 of its cause, its kind and its index among the consequences of that cause. The
/// same webhook, or the same delivery handled twice, yields the same ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EventId(Uuid);

impl EventId {
    /// The id of the event of `kind` that a webhook about `session` causes.
    ///
    /// `part` tells apart webhooks of one kind about one session, such as the handler that a result came to; it is
    /// empty where there is but one.
    #[must_use]
    pub fn of_webhook(backend: &BackendName, session: &SessionId, kind: Kind, part: &str) -> Self {
        // A blank stands in none of the four before `part`, so no two webhooks are spelled alike.
        let name = format!("{backend} {session} {kind} {part}");
        Self(Uuid::new_v5(&WEBHOOKS, name.as_bytes()))
    }

    /// The id of the message that an application asks for under a key of its own: the same key is the same message.
    ///
    /// An application cannot choose the id itself: so it cannot pass its message off as one that something else caused.
    #[must_use]
    pub fn of_application(application: &BackendName, key: &str) -> Self {
        // A blank stands in no name.
        Self(Uuid::new_v5(&APPLICATIONS, format!("{application} {key}").as_bytes()))
    }

    /// The id of the `index`th event of `kind` that this event causes.
    #[must_use]
    pub fn derive(self, kind: Kind, index: u32) -> Self {
        Self(Uuid::new_v5(&self.0, format!("{kind} {index}").as_bytes()))
    }

    /// The id of the event of `kind` that this event causes and `part` tells apart from its others: for what comes without
    /// an order that could be counted on.
    #[must_use]
    pub fn derive_part(self, kind: Kind, part: &str) -> Self {
        // The colon keeps it apart from whatever is counted.
        Self(Uuid::new_v5(&self.0, format!("{kind}: {part}").as_bytes()))
    }

    /// The id of the record that this message was given up then. One that is replayed may be given up again.
    #[must_use]
    pub fn of_death(self, at: Option<Timestamp>) -> Self {
        let at = at.map(|at| at.to_string()).unwrap_or_default();
        // No kind is spelled so.
        Self(Uuid::new_v5(&self.0, format!("dead_letter {at}").as_bytes()))
    }

    /// The id as a UUID, for stores.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

/// For a message that nothing caused but a person or a program: a fresh UUID of the caller's making.
impl From<Uuid> for EventId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(written: &str) -> Result<Self, uuid::Error> {
        written.parse().map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for EventId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";
        schemars::json_schema!({ "type": "string", "format": "uuid", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(session: &str, part: &str) -> EventId {
        EventId::of_webhook(&"b".parse().unwrap(), &session.parse().unwrap(), Kind::MessageReceived, part)
    }

    fn of_application(name: &str, key: &str) -> EventId {
        EventId::of_application(&name.parse().unwrap(), key)
    }

    #[test]
    fn the_same_cause_kind_and_index_give_the_same_id() {
        assert_eq!(webhook("s1", ""), webhook("s1", ""));
        assert_eq!(webhook("s1", "").derive(Kind::MessageSend, 0), webhook("s1", "").derive(Kind::MessageSend, 0));
    }

    #[test]
    fn any_difference_gives_another_id() {
        let cause = webhook("s1", "");
        let ids = [
            cause,
            webhook("s2", ""),
            webhook("s1", "continue"),
            cause.derive(Kind::MessageSend, 0),
            cause.derive(Kind::MessageSend, 1),
            cause.derive(Kind::MessageSent, 0),
            cause.derive_part(Kind::MessageSend, "0"),
            cause.derive_part(Kind::MessageSend, ""),
            cause.derive_part(Kind::MessageSent, "0"),
            cause.of_death(None),
            cause.of_death(Some(Timestamp::UNIX_EPOCH)),
            cause.of_death(Some(Timestamp::MAX)),
            webhook("s2", "").derive(Kind::MessageSend, 0),
            of_application("survey", "1"),
            of_application("survey", "2"),
            of_application("poll", "1"),
        ];
        for (i, a) in ids.iter().enumerate() {
            for b in ids.iter().skip(i + 1) {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn ids_stay_what_they_are_from_version_to_version() {
        // Golden: a changed derivation would make an upgrade send again what is on its way.
        assert_eq!(webhook("s1", "").to_string(), "6f08c07b-eb3b-5be3-9044-89bbde80e4f3");
        assert_eq!(webhook("s1", "").derive(Kind::MessageSend, 0).to_string(), "d984dcb5-e985-5233-8e9e-7bce11f5b61c");
        let part = webhook("s1", "").derive_part(Kind::MessageSend, "p");
        assert_eq!(part.to_string(), "bc03ae6d-6288-54c1-a037-ddc5a550eb33");
        assert_eq!(of_application("survey", "1").to_string(), "3444f43e-9469-5b07-bbfa-ffe861b75330");
    }
}
