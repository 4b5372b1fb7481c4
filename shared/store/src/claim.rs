//! What a session asks of the release ledger, and what it is told.

use std::time::{Duration, Instant};

use protocol::{Address, BackendName, EventId, MessageSend, SessionId, Timestamp};

use crate::ledger::{GiveUp, GivenUp, Record, Why};

/// "I am about to hand this message to this session."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The message.
    pub message_id: EventId,
    /// The session that asks for it.
    pub session_id: SessionId,
    /// The backend of both.
    pub backend: BackendName,
    /// The person it is for.
    pub to: Address,
    /// The conversation, where it has one yet.
    pub correlation_id: Option<SessionId>,
    /// Which launch of the message this session came from, counted from 1.
    pub attempt: u32,
    /// The command, where it shall be sent again if no result comes. It is kept until the message has an outcome, or
    /// was commanded again: no longer, for it is personal.
    pub command: Option<Box<MessageSend>>,
    /// Now.
    pub at: Timestamp,
    /// Until when whoever asks waits, if that is known. Nothing is granted so late that the answer may miss it: the
    /// session would have the message, and no document.
    pub until: Option<Instant>,
}

impl Claim {
    /// The longest that a commit takes, as a rule.
    const COMMIT_MAX: Duration = Duration::from_millis(500);

    /// Whether somebody still waits when it has been committed.
    pub(crate) fn is_in_time(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() + Self::COMMIT_MAX <= until)
    }

    /// That the message is given up instead, because the person it is for opted out.
    pub(crate) fn suppressed(&self) -> GiveUp {
        GiveUp {
            message_id: self.message_id,
            backend: self.backend.clone(),
            correlation_id: self.correlation_id.clone(),
            attempts: self.attempt,
            why: Why::OptedOut,
            at: self.at,
        }
    }
}

/// What became of a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// The session holds the message now: give it the document.
    Granted {
        /// When it was granted, in whole microseconds.
        at: Timestamp,
        /// As [`crate::Release::life`].
        life: u32,
    },
    /// The session held the message already: give it the same document again. So it is too when the answer to a first
    /// claim was lost.
    Again {
        /// When it was granted first.
        at: Timestamp,
        /// As [`crate::Release::life`].
        life: u32,
    },
    /// Another session holds the message: this one gets nothing.
    Refused {
        /// The session that holds it.
        holder: SessionId,
    },
    /// The message was given up, and whoever waited was told so: no session gets it.
    GivenUp,
    /// The person it is for opted out: it is given up, now or before, and no session gets it.
    Suppressed(GivenUp),
}

impl Claimed {
    /// What a session is told that asks for a message which another has, or which is given up.
    pub(crate) fn of(record: Record, session_id: &SessionId) -> Option<Self> {
        match record {
            Record::Released(held) if held.session_id == *session_id => {
                Some(Self::Again { at: held.released_at, life: held.life })
            }
            Record::Released(held) => Some(Self::Refused { holder: held.session_id }),
            Record::GivenUp(given_up) if given_up.why == Why::OptedOut => Some(Self::Suppressed(given_up)),
            Record::GivenUp(_) => Some(Self::GivenUp),
            Record::Open => None,
        }
    }
}
