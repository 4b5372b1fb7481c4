//! What there is to keep of an event, or of a dead letter: itself, and what it says about a text or a message.

use messaging::Delivery;
use messaging::headers::QUEUE;
use protocol::topology::QueueName;
use protocol::{EventId, Kind, Timestamp};
use serde_json::Value;
use store::{Fact, JournalEntry, Mark, Subject};

use crate::entry;
use crate::told::Told;

/// What there is to keep of a delivery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Noted {
    /// For the account; `None` where it cannot be made out what it is about.
    pub(crate) facts: Option<Vec<Fact>>,
    /// For the journal; `None` where not even its kind and its id can be made out.
    pub(crate) entry: Option<JournalEntry>,
}

/// What there is to keep of an event that is seen now.
pub(crate) fn of_event(delivery: &Delivery, now: Timestamp) -> Noted {
    let Some(told) = Told::of(delivery) else { return Noted::default() };
    let facts = facts(&told, now);
    let entry = Some(entry::of_event(&told, marks(facts.as_deref()), now));
    Noted { facts, entry }
}

/// What there is to keep of a dead letter that is seen now: which text or message is dead; nothing for the account, where
/// it is a report, or anything else.
pub(crate) fn of_dead_letter(delivery: &Delivery, now: Timestamp) -> Noted {
    let Some(told) = Told::of(delivery) else { return Noted::default() };
    let queue = delivery.properties.headers.get(QUEUE);
    let facts = queue.map(|queue| match subject_on(queue) {
        Some(subject) => vec![fact(&told, subject, told.id, Mark::Dead, now)],
        None => Vec::new(),
    });
    let entry = Some(entry::of_dead_letter(&told, delivery, marks(facts.as_deref()), now));
    Noted { facts, entry }
}

/// What is dead that came from a queue.
fn subject_on(queue: &str) -> Option<Subject> {
    let is_lane = queue.starts_with(&format!("egress.{}.", Kind::MessageSend));
    if is_lane {
        return Some(Subject::Message);
    }
    QueueName::texts().any(|of_texts| of_texts.as_str() == queue).then_some(Subject::Text)
}

fn marks(facts: Option<&[Fact]>) -> Vec<(Subject, EventId, Mark)> {
    facts.unwrap_or_default().iter().map(|fact| (fact.subject, fact.id, fact.mark)).collect()
}

fn fact(told: &Told, subject: Subject, id: EventId, mark: Mark, at: Timestamp) -> Fact {
    let (backend, correlation_id) = (told.backend.clone(), told.correlation_id.clone());
    Fact { subject, id, backend, correlation_id, mark, at }
}

/// Whether the cause is the text that began the conversation.
fn answers(told: &Told, cause: EventId) -> bool {
    let text = |session| EventId::of_webhook(&told.backend, session, Kind::MessageReceived, "");
    told.correlation_id.as_ref().is_some_and(|session| text(session) == cause)
}

fn facts(told: &Told, at: Timestamp) -> Option<Vec<Fact>> {
    let fact = |subject, id, mark| fact(told, subject, id, mark, at);
    let of_message = |mark| Some(vec![fact(Subject::Message, told.message_id()?, mark)]);
    match told.known_kind()? {
        Kind::MessageReceived => Some(vec![fact(Subject::Text, told.id, Mark::Begun)]),
        Kind::MessageSend => {
            let mut facts = vec![fact(Subject::Message, told.id, Mark::Begun)];
            if let Some(cause) = told.causation_id {
                let mark = if answers(told, cause) { Mark::Answered } else { Mark::Caused };
                facts.push(fact(Subject::Text, cause, mark));
            }
            Some(facts)
        }
        // The application answers when it likes, or not at all.
        Kind::MessageOffered => Some(vec![fact(Subject::Text, told.causation_id?, Mark::Answered)]),
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
            Some(text) => fact(Subject::Text, text, Mark::Ignored),
            None => fact(Subject::Session, told.id, Mark::Ignored),
        }]),
        // What comes of them is an event of its own. An attempt changes nothing in the account, nor does what was said to a text.
        Kind::MessageDelayed | Kind::SessionResult | Kind::DeliveryReported | Kind::MessageRouted => Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
