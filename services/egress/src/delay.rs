//! An attempt that came to nothing and will be followed by another, as it is told to those who watch.

use messaging::{Context, Disposition, Outgoing, Settle};
use protocol::{DelayedReason, Envelope, Event, Head, MessageDelayed, SessionId, chain};
use tropo::launch::Refusal;

use crate::{ClientError, SendError};

/// Attempts up to this one are all told.
const ALL_UP_TO: u32 = 8;

/// What is told of a failed attempt; `None` where there will not be another, and of most that come late.
pub(crate) fn of(head: &Head, error: &SendError, context: &Context) -> Option<Outgoing> {
    let Disposition::Retry { after } = error.disposition() else { return None };
    if !is_telling(context.attempt) {
        return None;
    }
    let now = context.environment.now();
    let data = MessageDelayed {
        message_id: head.id,
        attempt: context.attempt,
        reason: reason(error)?,
        status: status(error),
        detail: chain(error),
        retry_at: after.and_then(|after| now.checked_add(after).ok()),
        session_id: session(error).cloned(),
    };
    let mut event = Envelope::caused_by(head, context.attempt, now, data);
    // Of this very attempt: a crash or a replay may bring another with the same number.
    event.head.id = head.id.derive_part(MessageDelayed::KIND, &format!("{} {now}", context.attempt));
    Some(Outgoing::new(&match session(error) {
        Some(session) => event.correlated(session),
        None => event,
    }))
}

/// Whether an attempt is among those that are told: the first few, and then fewer and fewer. In an outage all messages
/// fail again and again, and what is told of that would take the place of what happened before.
fn is_telling(attempt: u32) -> bool {
    attempt <= ALL_UP_TO || attempt.is_power_of_two()
}

fn reason(error: &SendError) -> Option<DelayedReason> {
    match error {
        SendError::Ledger(_) => Some(DelayedReason::Ledger),
        SendError::NoCallBack { .. } => Some(DelayedReason::NoCallBack),
        SendError::Client(ClientError::Build(_) | ClientError::Unreachable(_)) => Some(DelayedReason::Unreachable),
        SendError::Client(ClientError::Refused { refusal, .. }) => Some(match refusal {
            Refusal::Throttled { .. } => DelayedReason::Throttled,
            Refusal::Unavailable { .. } => DelayedReason::Unavailable,
            Refusal::Rejected { .. } => DelayedReason::Refused,
            Refusal::Unreadable => DelayedReason::Unreadable,
        }),
        SendError::Rejected { .. } | SendError::OtherBackend { .. } | SendError::Expired { .. } => None,
    }
}

fn status(error: &SendError) -> Option<u16> {
    match error {
        SendError::Client(ClientError::Refused { status, .. }) => Some(*status),
        _ => None,
    }
}

fn session(error: &SendError) -> Option<&SessionId> {
    match error {
        SendError::NoCallBack { session_id, .. } => session_id.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use messaging::Environment;
    use protocol::topology::QueueName;
    use protocol::{EventId, EventType, Kind, Timestamp};
    use store::LedgerError;

    use super::*;

    /// What is told of an attempt of a message in no conversation.
    fn told(error: &SendError) -> Option<Envelope<MessageDelayed>> {
        let head = Head {
            id: EventId::of_application(&"survey".parse().unwrap(), "1"),
            event_type: EventType { kind: Kind::MessageSend, version: 1 },
            backend: "b".parse().unwrap(),
            correlation_id: None,
            causation_id: None,
            time: Timestamp::UNIX_EPOCH,
        };
        let lane = QueueName::lane(&head.backend);
        let (context, _) = Context::new(7, lane, Environment::system());
        of(&head, error, &context).map(|outgoing| Envelope::from_body(outgoing.body()).unwrap())
    }

    #[test]
    fn a_ledger_that_is_damaged_is_told_and_one_damaged_record_ends_the_message() {
        let cause = || Arc::new(io::Error::other("a cause"));
        let told_of_file = told(&SendError::Ledger(LedgerError::Corrupt(cause()))).unwrap().data;
        assert_eq!((told_of_file.reason, told_of_file.attempt), (DelayedReason::Ledger, 7));
        assert_eq!(told(&SendError::Ledger(LedgerError::Unreadable(cause()))), None);
        let (found, lane) = ("b".parse().unwrap(), "c".parse().unwrap());
        assert_eq!(told(&SendError::OtherBackend { found, lane }), None);
    }

    #[test]
    fn the_first_attempts_are_told_and_then_fewer_and_fewer() {
        let told: Vec<u32> = (1..100).filter(|attempt| is_telling(*attempt)).collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64]);
    }

    #[test]
    fn a_message_in_no_conversation_is_told_in_that_of_its_session() {
        let timeout = std::time::Duration::from_secs(1);
        let error = |session_id| SendError::NoCallBack { timeout, session_id };
        let session: SessionId = "s2".parse().unwrap();
        assert_eq!(told(&error(Some(session.clone()))).unwrap().head.correlation_id, Some(session));
        assert_eq!(told(&error(None)).unwrap().head.correlation_id, None);
    }
}
