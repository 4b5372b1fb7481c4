//! The events on the bus: what each says, and the envelope around it.

mod message;
mod routing;
mod session;

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::{BackendName, EventId, SessionId, Timestamp};
pub use message::{
    DelayedReason, FailureReason, MessageDelayed, MessageDelivered, MessageExpired, MessageFailed, MessageLaunched,
    MessageReceived, MessageReleased, MessageSend, MessageSent, MessageSuppressed, MessageUnconfirmed,
    SuppressedReason, Unsendable,
};
pub use routing::{AskedApplication, MessageOffered, MessageRouted, Phase, RoutedOutcome, SaidWord};
pub use session::{DeliveryReported, IgnoredReason, ResultHandler, SessionIgnored, SessionResult};

/// What an event says: the first part of its routing key, `<kind>.<backend>` or `<kind>.<backend>.<detail>`. Events are
/// past tense, the one command (`message.send`) is imperative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// `message.received`: a person texted us. Ingress to router.
    MessageReceived,
    /// `message.offered`: a text is handed to an application on the bus. Router to that application.
    MessageOffered,
    /// `message.routed`: what the applications said to a text, and what came of it. Router to the record.
    MessageRouted,
    /// `message.send`: send this. Router, or any application, to egress.
    MessageSend,
    /// `message.launched`: Tropo has a session for it.
    MessageLaunched,
    /// `message.delayed`: an attempt to send it came to nothing, and another will be made.
    MessageDelayed,
    /// `message.released`: the document was handed to that session.
    MessageReleased,
    /// `message.sent`: Tropo reported that it took the message.
    MessageSent,
    /// `message.delivered`: the carrier reported a delivery.
    MessageDelivered,
    /// `message.failed`: it was not sent, and will not be.
    MessageFailed,
    /// `message.unconfirmed`: released, and no result came in time.
    MessageUnconfirmed,
    /// `message.expired`: its time to live ran out before Tropo took it.
    MessageExpired,
    /// `message.suppressed`: it may not be sent.
    MessageSuppressed,
    /// `session.result`: what a session reported to a document's handler. Ingress to egress.
    SessionResult,
    /// `session.ignored`: a session that nothing answers with a message.
    SessionIgnored,
    /// `delivery.reported`: a delivery report. Ingress to egress.
    DeliveryReported,
}

impl Kind {
    /// Every kind, in the order of a conversation.
    pub const ALL: [Self; 16] = [
        Self::MessageReceived,
        Self::MessageRouted,
        Self::MessageOffered,
        Self::MessageSend,
        Self::MessageLaunched,
        Self::MessageDelayed,
        Self::MessageReleased,
        Self::SessionResult,
        Self::MessageSent,
        Self::DeliveryReported,
        Self::MessageDelivered,
        Self::MessageFailed,
        Self::MessageUnconfirmed,
        Self::MessageExpired,
        Self::MessageSuppressed,
        Self::SessionIgnored,
    ];

    /// The kind as it stands in routing keys: `message.received`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageReceived => "message.received",
            Self::MessageOffered => "message.offered",
            Self::MessageRouted => "message.routed",
            Self::MessageSend => "message.send",
            Self::MessageLaunched => "message.launched",
            Self::MessageDelayed => "message.delayed",
            Self::MessageReleased => "message.released",
            Self::MessageSent => "message.sent",
            Self::MessageDelivered => "message.delivered",
            Self::MessageFailed => "message.failed",
            Self::MessageUnconfirmed => "message.unconfirmed",
            Self::MessageExpired => "message.expired",
            Self::MessageSuppressed => "message.suppressed",
            Self::SessionResult => "session.result",
            Self::SessionIgnored => "session.ignored",
            Self::DeliveryReported => "delivery.reported",
        }
    }

    /// The kind and the backend in a routing key; `None` if it is not one of ours.
    #[must_use]
    pub fn of_routing_key(routing_key: &str) -> Option<(Self, BackendName)> {
        let of_kind = |kind: Self| Some((kind, routing_key.strip_prefix(kind.as_str())?.strip_prefix('.')?));
        let (kind, rest) = Self::ALL.into_iter().find_map(of_kind)?;
        Some((kind, rest.split('.').next()?.parse().ok()?))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(written: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == written).ok_or(UnknownKind)
    }
}

/// Kind and version, as the AMQP property `type` has them: `message.received.v1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EventType {
    /// What the event says.
    pub kind: Kind,
    /// Which edition of its data this is. A reader takes every edition up to the one it knows.
    pub version: u16,
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.v{}", self.kind, self.version)
    }
}

impl FromStr for EventType {
    type Err = UnknownKind;

    fn from_str(written: &str) -> Result<Self, UnknownKind> {
        let (kind, version) = written.rsplit_once(".v").ok_or(UnknownKind)?;
        Ok(Self { kind: kind.parse()?, version: version.parse().map_err(|_| UnknownKind)? })
    }
}

impl Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        written.parse().map_err(serde::de::Error::custom)
    }
}

/// As what it is written.
#[cfg(test)]
impl schemars::JsonSchema for EventType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "Kind and version." })
    }
}

/// The data of one kind of event.
///
/// Changing the data: a new optional field keeps the version; anything else is a new version, and its reader goes on
/// taking the older ones while queues may still hold them.
pub trait Event: Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static {
    /// What it says.
    const KIND: Kind;
    /// The edition written now, and the newest that is read.
    const VERSION: u16 = 1;

    /// The third word of its routing key, where there is one: for queues that get a part of a kind.
    fn detail(&self, _head: &Head) -> Option<String> {
        None
    }
}

/// What every event says about itself: the same in the body and, for brokers and tools, in the AMQP properties.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Head {
    /// The event's id; AMQP `message_id`.
    pub id: EventId,
    /// Kind and version; AMQP `type`.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The backend that it concerns; the word after the kind of the routing key.
    pub backend: BackendName,
    /// The Tropo session that began the conversation; AMQP `correlation_id`. A message that no webhook caused has
    /// none until Tropo gives its own session an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<SessionId>,
    /// The event that caused this one; AMQP header `causation-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// When it happened.
    pub time: Timestamp,
}

/// An event: its head, and its data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Envelope<T> {
    /// What it says about itself.
    #[serde(flatten)]
    pub head: Head,
    /// What it says.
    pub data: T,
}

/// Why a body is not the event that was expected.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not JSON of the form, or a field has no valid value. Says where, and quotes nothing: it may be a person.
    #[error("body is not a readable event: {what} at line {line}, column {column}")]
    Unreadable {
        /// What kind of thing is wrong.
        what: &'static str,
        /// The line of the body, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is some other event.
    #[error("expected {expected}, found {found}")]
    OtherKind {
        /// What was expected.
        expected: Kind,
        /// What came.
        found: Kind,
    },
    /// It was written by a newer version of tropomq.
    #[error("event type {found} is newer than version {known}, the newest known here: upgrade this service first")]
    Newer {
        /// What came.
        found: EventType,
        /// The newest version that is read here.
        known: u16,
    },
}

impl From<serde_json::Error> for EnvelopeError {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Io => "unreadable input",
            Category::Syntax => "not JSON",
            Category::Data => "a field that is missing or has no valid value",
            Category::Eof => "an early end",
        };
        Self::Unreadable { what, line: error.line(), column: error.column() }
    }
}

impl<T: Event> Envelope<T> {
    /// The event that the webhook of `correlation_id` caused; it has no cause among events.
    #[must_use]
    pub fn of_webhook(id: EventId, backend: BackendName, correlation_id: SessionId, time: Timestamp, data: T) -> Self {
        let correlation_id = Some(correlation_id);
        let event_type = EventType { kind: T::KIND, version: T::VERSION };
        Self { head: Head { id, event_type, backend, correlation_id, causation_id: None, time }, data }
    }

    /// The `index`th event of its kind that `cause` causes: same backend, same conversation, derived id.
    #[must_use]
    pub fn caused_by(cause: &Head, index: u32, time: Timestamp, data: T) -> Self {
        let head = Head {
            id: cause.id.derive(T::KIND, index),
            event_type: EventType { kind: T::KIND, version: T::VERSION },
            backend: cause.backend.clone(),
            correlation_id: cause.correlation_id.clone(),
            causation_id: Some(cause.id),
            time,
        };
        Self { head, data }
    }

    /// The same event, in the conversation of `session` if it is in none yet.
    #[must_use]
    pub fn correlated(mut self, session: &SessionId) -> Self {
        self.head.correlation_id.get_or_insert_with(|| session.clone());
        self
    }

    /// Where it goes: `<kind>.<backend>`, or `<kind>.<backend>.<detail>`.
    #[must_use]
    pub fn routing_key(&self) -> String {
        match self.data.detail(&self.head) {
            None => format!("{}.{}", T::KIND, self.head.backend),
            Some(detail) => format!("{}.{}.{detail}", T::KIND, self.head.backend),
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "our own types are strings, numbers and structs: they always serialise")]
        serde_json::to_vec(self).expect("events serialise")
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`EnvelopeError`] says whether it is unreadable, another kind, or of a version newer than this reader.
    pub fn from_body(body: &[u8]) -> Result<Self, EnvelopeError> {
        /// The head alone, so that a newer edition is told apart from a broken one.
        #[derive(Deserialize)]
        struct Body<T> {
            #[serde(flatten)]
            head: Head,
            data: T,
        }
        let Body { head, data } = serde_json::from_slice::<Body<serde::de::IgnoredAny>>(body)
            .map_err(EnvelopeError::from)
            .and_then(|Body { head, data: _ }| {
                let found = head.event_type;
                if found.kind != T::KIND {
                    return Err(EnvelopeError::OtherKind { expected: T::KIND, found: found.kind });
                }
                if T::VERSION < found.version {
                    return Err(EnvelopeError::Newer { found, known: T::VERSION });
                }
                Ok(())
            })
            .and_then(|()| serde_json::from_slice::<Body<T>>(body).map_err(EnvelopeError::from))?;
        Ok(Self { head, data })
    }
}

impl Envelope<serde_json::Value> {
    /// Reads an event of any kind, its data as plain JSON: for those who record or show events.
    ///
    /// # Errors
    /// [`EnvelopeError::Unreadable`].
    pub fn any_from_body(body: &[u8]) -> Result<Self, EnvelopeError> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(flatten)]
            head: Head,
            data: serde_json::Value,
        }
        let Body { head, data } = serde_json::from_slice(body)?;
        Ok(Self { head, data })
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod editions;
#[cfg(test)]
mod tests;
