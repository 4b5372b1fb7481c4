//! What came of a text: what is published of it, and the record of it.

use messaging::{Context, Outgoing};
use protocol::{
    AskedApplication, Envelope, IgnoredReason, MessageOffered, MessageReceived, MessageRouted, MessageSend,
    RoutedOutcome, SessionIgnored, Timestamp,
};
use serde::{Deserialize, Serialize};

/// What came of a text. As JSON it is the record by which a text that comes again is answered with the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Routed {
    pub(crate) outcome: RoutedOutcome,
    /// Who took it.
    pub(crate) application: Option<String>,
    /// The messages that answer it, by their numbers.
    pub(crate) messages: Vec<(u32, MessageSend)>,
    /// How many more its application had sent by itself.
    #[serde(default)]
    pub(crate) sent: u32,
    pub(crate) offered: Option<MessageOffered>,
    pub(crate) asked: Vec<AskedApplication>,
}

impl Routed {
    /// Nobody was asked.
    pub(crate) fn not_asked() -> Self {
        Self::empty(RoutedOutcome::NotAsked)
    }

    /// It is given up, whoever was asked.
    pub(crate) fn given_up() -> Self {
        Self::empty(RoutedOutcome::GivenUp)
    }

    fn empty(outcome: RoutedOutcome) -> Self {
        Self { outcome, application: None, messages: Vec::new(), sent: 0, offered: None, asked: Vec::new() }
    }

    /// # Errors
    /// None, in fact: what is written is our own.
    pub(crate) fn to_record(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// # Errors
    /// The record is not ours, or of a newer version.
    pub(crate) fn from_record(record: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(record)
    }

    /// The events that follow from it. `ignored`: why nobody was asked. `attempts`: how often the applications were asked.
    pub(crate) fn events(
        self,
        received: &Envelope<MessageReceived>,
        ignored: Option<IgnoredReason>,
        attempts: u32,
        context: &Context,
    ) -> Vec<Outgoing> {
        let now = context.environment.now();
        let Self { outcome, application, messages, sent, offered, asked } = self;
        let cause = &received.head;
        let session_id = received.data.session_id.clone();
        let replies = u32::try_from(messages.len()).unwrap_or(u32::MAX).saturating_add(sent);
        let mut events: Vec<Outgoing> = messages
            .into_iter()
            .map(|(number, message)| Outgoing::new(&Envelope::caused_by(cause, number, now, message)))
            .collect();
        if let Some(offered) = offered {
            events.push(Outgoing::new(&Envelope::caused_by(cause, 0, now, offered)));
        }
        if let Some(reason) = ignored.or_else(|| silence(outcome)) {
            let ignored = SessionIgnored { session_id: session_id.clone(), reason };
            events.push(Outgoing::new(&Envelope::caused_by(cause, 0, now, ignored)));
        }
        let routed = MessageRouted { session_id, outcome, application, replies, asked, attempts };
        // A text that was given up may come to another end, after a replay.
        let life = match outcome {
            RoutedOutcome::GivenUp => 1 + context.replayed_at.map_or(0, life),
            RoutedOutcome::Answered
            | RoutedOutcome::Offered
            | RoutedOutcome::Taken
            | RoutedOutcome::Filtered
            | RoutedOutcome::Unanswered
            | RoutedOutcome::NotAsked => 0,
        };
        events.push(Outgoing::new(&Envelope::caused_by(cause, life, now, routed)));
        events
    }
}

/// A number for what follows from a replay at that instant.
fn life(replayed_at: Timestamp) -> u32 {
    u32::try_from(replayed_at.as_second()).unwrap_or_default() / 2
}

/// Why a text gets no message, where it gets none.
fn silence(outcome: RoutedOutcome) -> Option<IgnoredReason> {
    match outcome {
        RoutedOutcome::Answered | RoutedOutcome::Offered | RoutedOutcome::GivenUp | RoutedOutcome::NotAsked => None,
        RoutedOutcome::Taken => Some(IgnoredReason::NoReply),
        RoutedOutcome::Filtered => Some(IgnoredReason::Filtered),
        RoutedOutcome::Unanswered => Some(IgnoredReason::NoAnswer),
    }
}
