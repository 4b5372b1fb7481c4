//! What a delivery tells about itself: by its body; by its properties and routing key where the body is unreadable.

use messaging::headers::{CAUSATION_ID, ROUTING_KEY};
use messaging::{Delivery, Properties};
use protocol::{BackendName, EventId, Kind, MessageReceived, MessageSend, SessionId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use store::{Content, Subject};

/// The longest body that is read: more than any of ours has, so that what is in hand stays bounded.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The longest kind, in bytes.
const KIND_BYTES_MAX: usize = 64;

/// The longest name of an application, in characters. Ours are names; others may write anything.
const APPLICATION_CHARS_MAX: usize = 64;

/// What a delivery tells about itself. A command that nobody can read is a command all the same, and ends among the dead
/// letters; and an event of a kind that this version does not know is an event.
pub(crate) struct Told {
    pub(crate) id: EventId,
    /// The kind as it is written.
    pub(crate) kind: String,
    pub(crate) backend: BackendName,
    pub(crate) correlation_id: Option<SessionId>,
    pub(crate) causation_id: Option<EventId>,
    /// When it happened; in whole seconds, or `None`, where the body does not tell.
    pub(crate) time: Option<Timestamp>,
    /// Null, where the body is not readable.
    pub(crate) data: Value,
}

impl Told {
    pub(crate) fn of(delivery: &Delivery) -> Option<Self> {
        Self::by_body(&delivery.body).or_else(|| Self::by_properties(delivery))
    }

    fn by_body(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            id: EventId,
            #[serde(rename = "type")]
            event_type: String,
            backend: BackendName,
            correlation_id: Option<SessionId>,
            causation_id: Option<EventId>,
            time: Timestamp,
            data: Value,
        }
        let body = Some(body).filter(|body| body.len() <= BODY_BYTES_MAX)?;
        let Body { id, event_type, backend, correlation_id, causation_id, time, data } =
            serde_json::from_slice(body).ok()?;
        let (kind, version) = event_type.rsplit_once(".v")?;
        let _: u16 = version.parse().ok()?;
        let kind = is_kind(kind).then(|| kind.to_owned())?;
        Some(Self { id, kind, backend, correlation_id, causation_id, time: Some(time), data })
    }

    fn by_properties(delivery: &Delivery) -> Option<Self> {
        let Delivery { routing_key, properties, .. } = delivery;
        let Properties { message_id, correlation_id, timestamp, headers, .. } = properties;
        // A dead letter's own routing key is that of wherever it was last.
        let routing_key = headers.get(ROUTING_KEY).unwrap_or(routing_key);
        let (kind, backend) = of_routing_key(routing_key)?;
        Some(Self {
            id: message_id.as_deref()?.parse().ok()?,
            kind,
            backend,
            correlation_id: correlation_id.as_deref().and_then(|id| id.parse().ok()),
            causation_id: headers.get(CAUSATION_ID).and_then(|id| id.parse().ok()),
            time: timestamp.and_then(|seconds| Timestamp::from_second(i64::try_from(seconds).ok()?).ok()),
            data: Value::Null,
        })
    }

    /// The kind, where this version knows it.
    pub(crate) fn known_kind(&self) -> Option<Kind> {
        self.kind.parse().ok()
    }

    /// The message that an event is about.
    pub(crate) fn message_id(&self) -> Option<EventId> {
        self.data.get("message_id")?.as_str()?.parse().ok()
    }

    /// The session that an event is about.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.data.get("session_id")?.as_str()?.parse().ok()
    }

    /// The text or message that it is about. Of a kind that is not known here, a message, if it names one.
    pub(crate) fn subject(&self) -> Option<(Subject, EventId)> {
        match self.known_kind() {
            Some(Kind::MessageReceived) => Some((Subject::Text, self.id)),
            Some(Kind::MessageSend) => Some((Subject::Message, self.id)),
            Some(Kind::MessageRouted | Kind::MessageOffered) => Some((Subject::Text, self.causation_id?)),
            Some(Kind::SessionIgnored) => Some(match self.causation_id {
                Some(text) => (Subject::Text, text),
                None => (Subject::Session, self.id),
            }),
            // It names the session alone; whose that was is told by what it causes.
            Some(Kind::DeliveryReported) => None,
            Some(
                Kind::MessageLaunched
                | Kind::MessageDelayed
                | Kind::MessageReleased
                | Kind::SessionResult
                | Kind::MessageSent
                | Kind::MessageDelivered
                | Kind::MessageFailed
                | Kind::MessageUnconfirmed
                | Kind::MessageExpired
                | Kind::MessageSuppressed,
            )
            | None => Some((Subject::Message, self.message_id()?)),
        }
    }

    /// What the text or message is, where this is the event that tells.
    pub(crate) fn content(&self) -> Option<Content> {
        match self.known_kind()? {
            Kind::MessageReceived => {
                let MessageReceived { from, to, text, network, .. } = MessageReceived::deserialize(&self.data).ok()?;
                Some(Content { person: from, number: to, text, network, application: None, cause: None })
            }
            Kind::MessageSend => {
                let MessageSend { to, text, from, network, application, .. } =
                    MessageSend::deserialize(&self.data).ok()?;
                let application = application.as_deref().map(shortened);
                Some(Content { person: to, number: from, text, network, application, cause: self.causation_id })
            }
            _ => None,
        }
    }
}

/// The kind and the backend in a routing key: the words before the second dot, and the one after.
fn of_routing_key(routing_key: &str) -> Option<(String, BackendName)> {
    let mut words = routing_key.split('.');
    let kind = format!("{}.{}", words.next()?, words.next()?);
    let backend = words.next()?.parse().ok()?;
    is_kind(&kind).then_some((kind, backend))
}

/// Whether it can be a kind: a few words with dots between.
fn is_kind(written: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    written.len() <= KIND_BYTES_MAX && written.split('.').all(is_word)
}

fn shortened(application: &str) -> String {
    application.chars().filter(|c| !c.is_control()).take(APPLICATION_CHARS_MAX).collect()
}
