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
