//! What there is to keep of an event, or of a dead letter: what it says about a text or a message.

use messaging::headers::{CAUSATION_ID, QUEUE, ROUTING_KEY};
use messaging::{Delivery, Properties};
use protocol::topology::QueueName;
use protocol::{BackendName, Envelope, EventId, Kind, SessionId, Timestamp};
use serde_json::Value;
use store::{Explanation, Fact, Mark, Subject};

/// What there is to keep of a delivery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Noted {
    pub(crate) facts: Vec<Fact>,
    pub(crate) explanation: Option<Explanation>,
}

impl From<Vec<Fact>> for Noted {
    fn from(facts: Vec<Fact>) -> Self {
        Self { facts, explanation: None }
    }
}

impl From<Explanation> for Noted {
    fn from(explanation: Explanation) -> Self {
        Self { facts: Vec::new(), explanation: Some(explanation) }
    }
}

/// What a delivery tells about itself, by its body; by its properties and routing key where the body is unreadable. A
/// command that nobody can read is a command all the same, and ends among the dead letters.
struct Told {
    kind: Kind,
    id: EventId,
    backend: BackendName,
    correlation_id: Option<SessionId>,
    causation_id: Option<EventId>,
    time: Option<Timestamp>,
    data: Value,
}

impl Told {
    fn of(delivery: &Delivery) -> Option<Self> {
        Self::by_body(delivery).or_else(|| Self::by_properties(delivery))
    }

    fn by_body(delivery: &Delivery) -> Option<Self> {
        let Envelope { head, data } = Envelope::any_from_body(&delivery.body).ok()?;
        let kind = head.event_type.kind;
        let (correlation_id, causation_id, time) = (head.correlation_id, head.causation_id, Some(head.time));
        Some(Self { kind, id: head.id, backend: head.backend, correlation_id, causation_id, time, data })
    }

    fn by_properties(delivery: &Delivery) -> Option<Self> {
        let Delivery { routing_key, properties, .. } = delivery;
        let Properties { message_id, correlation_id, headers, .. } = properties;
        // A dead letter's own routing key is that of wherever it was last.
        let routing_key = headers.get(ROUTING_KEY).unwrap_or(routing_key);
        let (kind, backend) = Kind::of_routing_key(routing_key)?;
        Some(Self {
            kind,
            id: message_id.as_deref()?.parse().ok()?,
            backend,
            correlation_id: correlation_id.as_deref().and_then(|id| id.parse().ok()),
            causation_id: headers.get(CAUSATION_ID).and_then(|id| id.parse().ok()),
            time: None,
            data: Value::Null,
        })
    }

    fn fact(&self, subject: Subject, id: EventId, mark: Mark, at: Timestamp) -> Fact {
        let (backend, correlation_id) = (self.backend.clone(), self.correlation_id.clone());
        Fact { subject, id, backend, correlation_id, mark, at }
    }

    /// Why a text was answered as it was, as a `message.routed` tells it.
    fn explanation(self) -> Option<Explanation> {
        let session_id = self.data.get("session_id")?.as_str()?.parse().ok()?;
        let (id, text, backend, at) = (self.id, self.causation_id?, self.backend, self.time?);
        Some(Explanation { id, text, session_id, backend, at, body: self.data.to_string() })
    }

    /// The message that an event is about.
    fn message_id(&self) -> Option<EventId> {
        self.data.get("message_id")?.as_str()?.parse().ok()
    }

    /// Whether the cause is the text that began the conversation.
    fn answers(&self, cause: EventId) -> bool {
        let text = |session| EventId::of_webhook(&self.backend, session, Kind::MessageReceived, "");
        self.correlation_id.as_ref().is_some_and(|session| text(session) == cause)
    }
}

/// What there is to keep of an event; nothing, where it is about no text and no message. `None` if it cannot be made out
/// what it is about.
pub(crate) fn of_event(delivery: &Delivery, at: Timestamp) -> Option<Noted> {
    let told = Told::of(delivery)?;
    if told.kind == Kind::MessageRouted {
        return told.explanation().map(Noted::from);
    }
    facts(&told, at).map(Noted::from)
}

fn facts(told: &Told, at: Timestamp) -> Option<Vec<Fact>> {
    let of_message = |mark| Some(vec![told.fact(Subject::Message, told.message_id()?, mark, at)]);
    match told.kind {
        Kind::MessageReceived => Some(vec![told.fact(Subject::Text, told.id, Mark::Begun, at)]),
        Kind::MessageSend => {
            let mut facts = vec![told.fact(Subject::Message, told.id, Mark::Begun, at)];
            if let Some(cause) = told.causation_id {
                let mark = if told.answers(cause) { Mark::Answered } else { Mark::Caused };
                facts.push(told.fact(Subject::Text, cause, mark, at));
            }
            Some(facts)
        }
        // The application answers when it likes, or not at all.
        Kind::MessageOffered => Some(vec![told.fact(Subject::Text, told.causation_id?, Mark::Answered, at)]),
        Kind::MessageLaunched => of_message(Mark::Launched),
        Kind::MessageReleased => of_message(Mark::Released),
        Kind::MessageSent => of_message(Mark::Sent),
        Kind::MessageDelivered => of_message(Mark::Delivered),
        // Without a session it was never released, and a replay of the command may still send it.
        Kind::MessageFailed if told.data.get("session_id").is_none_or(Value::is_null) => of_message(Mark::Refused),
        Kind::MessageFailed => of_message(Mark::Failed),
        Kind::MessageUnconfirmed => of_message(Mark::Unconfirmed),
        Kind::MessageExpired => of_message(Mark::Expired),
        Kind::MessageSuppressed => of_message(Mark::Suppressed),
        Kind::SessionIgnored => Some(vec![match told.causation_id {
            Some(text) => told.fact(Subject::Text, text, Mark::Ignored, at),
            None => told.fact(Subject::Session, told.id, Mark::Ignored, at),
        }]),
        // What comes of them is an event of its own. An explanation changes nothing in the account.
        Kind::MessageDelayed | Kind::SessionResult | Kind::DeliveryReported | Kind::MessageRouted => Some(Vec::new()),
    }
}

/// What a dead letter says: which text or message is dead; nothing, where it is a report, or anything else. `None` if
/// it cannot be made out what it is about.
pub(crate) fn of_dead_letter(delivery: &Delivery, at: Timestamp) -> Option<Noted> {
    let queue = delivery.properties.headers.get(QUEUE).map(String::as_str);
    let lanes = format!("egress.{}.", Kind::MessageSend);
    let subject = match queue {
        Some(queue) if QueueName::texts().any(|of_texts| of_texts.as_str() == queue) => Subject::Text,
        Some(queue) if queue.starts_with(&lanes) => Subject::Message,
        Some(_) => return Some(Noted::default()),
        None => return None,
    };
    let told = Told::of(delivery)?;
    Some(vec![told.fact(subject, told.id, Mark::Dead, at)].into())
}

#[cfg(test)]
mod tests;
