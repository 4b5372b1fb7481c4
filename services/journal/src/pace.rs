//! How long conversations take: each event of a message, by how long it came after the text and after the command.

use protocol::{BackendName, EventId, Kind, Timestamp};
use store::{Begun, JournalEntry, Subject};

/// That a message came a step further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) message_id: EventId,
    pub(crate) backend: BackendName,
    pub(crate) stage: Stage,
    at: Timestamp,
}

/// How far a message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Commanded,
    Launched,
    Released,
    Sent,
    Delivered,
}

impl Stage {
    fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::MessageSend => Some(Self::Commanded),
            Kind::MessageLaunched => Some(Self::Launched),
            Kind::MessageReleased => Some(Self::Released),
            Kind::MessageSent => Some(Self::Sent),
            Kind::MessageDelivered => Some(Self::Delivered),
            Kind::MessageReceived
            | Kind::MessageOffered
            | Kind::MessageRouted
            | Kind::MessageDelayed
            | Kind::MessageFailed
            | Kind::MessageUnconfirmed
            | Kind::MessageExpired
            | Kind::MessageSuppressed
            | Kind::SessionResult
            | Kind::SessionIgnored
            | Kind::DeliveryReported => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Commanded => "commanded",
            Self::Launched => "launched",
            Self::Released => "released",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
        }
    }
}

impl Step {
    /// What an entry tells of a message's way; `None` where that is nothing.
    pub(crate) fn of(entry: &JournalEntry) -> Option<Self> {
        let stage = Stage::of(entry.event.kind.parse().ok()?)?;
        let (Subject::Message, message_id) = entry.event.of? else { return None };
        Some(Self { message_id, backend: entry.event.backend.clone(), stage, at: entry.event.at })
    }

    /// Seconds since the text, where there is one, and since the command, unless this is it.
    pub(crate) fn took(&self, begun: &Begun) -> (Option<f64>, Option<f64>) {
        // Clocks of two machines may differ a little.
        let since = |then: Timestamp| self.at.duration_since(then).as_secs_f64().max(0.0);
        let commanded = (self.stage != Stage::Commanded).then(|| since(begun.commanded_at));
        (begun.texted_at.map(since), commanded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[track_caller]
    fn check(stage: Stage, texted_at: Option<i64>, expected: (Option<f64>, Option<f64>)) {
        let message_id: EventId = "5a3a095e-771f-5760-90ff-00ad462396be".parse().unwrap();
        let step = Step { message_id, backend: "east".parse().unwrap(), stage, at: at(20) };
        let begun = Begun { message_id, commanded_at: at(12), texted_at: texted_at.map(at) };
        assert_eq!(step.took(&begun), expected);
    }

    #[test]
    fn a_step_is_measured_from_the_text_and_from_the_command_where_there_are_those() {
        check(Stage::Released, Some(10), (Some(10.0), Some(8.0)));
        check(Stage::Commanded, Some(10), (Some(10.0), None));
        check(Stage::Sent, None, (None, Some(8.0)));
        // The clock of ingress is ahead.
        check(Stage::Released, Some(21), (Some(0.0), Some(8.0)));
    }
}
