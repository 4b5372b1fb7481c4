//! One row of the ledger, as both databases keep it, and what it says.

use std::error::Error;
use std::str::FromStr;

use protocol::{EventId, MessageSend, Timestamp};
use uuid::Uuid;

use crate::error::Fault;
use crate::ledger::{GivenUp, Overdue, Record, Release, Why};
use crate::{LedgerError, Outcome};

/// The words for why a message was given up, as stores have them, beside those of [`Outcome`].
const EXPIRED: &str = "expired";
const REFUSED: &str = "refused";
const OPTED_OUT: &str = "opted_out";

/// The columns of a row.
pub(crate) struct Row {
    pub(crate) message_id: Uuid,
    /// None: no session ever held the message, or it was replayed since.
    pub(crate) session_id: Option<String>,
    pub(crate) backend: String,
    pub(crate) correlation_id: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) life: u32,
    pub(crate) released_at: Option<Timestamp>,
    /// Since when the message is open, while there is no outcome.
    pub(crate) reopened_at: Option<Timestamp>,
    /// A release's outcome; without a session, why the message was given up.
    pub(crate) outcome: Option<String>,
    pub(crate) outcome_at: Option<Timestamp>,
    /// The words of a refusal.
    pub(crate) detail: Option<String>,
    pub(crate) command: Option<String>,
}

impl Row {
    pub(crate) fn record(self) -> Result<Record, LedgerError> {
        match (&self.session_id, &self.outcome, self.reopened_at) {
            (_, None, Some(_)) => Ok(Record::Open),
            (Some(_), _, _) => self.release().map(Record::Released),
            (None, _, _) => self.given_up().map(Record::GivenUp),
        }
    }

    pub(crate) fn release(self) -> Result<Release, LedgerError> {
        let incomplete = || LedgerError::unreadable(Fault::Incomplete);
        Ok(Release {
            message_id: EventId::from(self.message_id),
            session_id: parse(&self.session_id.ok_or_else(incomplete)?)?,
            backend: parse(&self.backend)?,
            correlation_id: self.correlation_id.as_deref().map(parse).transpose()?,
            attempt: self.attempt,
            life: self.life,
            released_at: self.released_at.ok_or_else(incomplete)?,
            outcome: self.outcome.as_deref().map(parse).transpose()?,
            outcome_at: self.outcome_at,
        })
    }

    pub(crate) fn given_up(self) -> Result<GivenUp, LedgerError> {
        let incomplete = || LedgerError::unreadable(Fault::Incomplete);
        let why = match self.outcome.as_deref() {
            Some(EXPIRED) => Why::Expired,
            Some(REFUSED) => Why::Refused { detail: self.detail.unwrap_or_default() },
            Some(OPTED_OUT) => Why::OptedOut,
            _ => return Err(incomplete()),
        };
        Ok(GivenUp {
            message_id: EventId::from(self.message_id),
            life: self.life,
            attempts: self.attempt,
            why,
            at: self.outcome_at.ok_or_else(incomplete)?,
        })
    }

    pub(crate) fn overdue(mut self) -> Result<Overdue, LedgerError> {
        let open_since = self.reopened_at.take();
        let command = self.command.take().map(|written| read(&written)).transpose()?;
        Ok(Overdue { release: self.release()?, open_since, command })
    }
}

/// The word for why a message was given up, and its words if it was refused.
pub(crate) fn written(why: &Why) -> (&'static str, Option<&str>) {
    match why {
        Why::Expired => (EXPIRED, None),
        Why::Refused { detail } => (REFUSED, Some(detail)),
        Why::OptedOut => (OPTED_OUT, None),
    }
}

/// The word that a release has which is closed for want of another session.
pub(crate) fn unconfirmed() -> &'static str {
    Outcome::Unconfirmed.as_str()
}

/// A command as it is kept.
pub(crate) fn write(command: &MessageSend) -> Result<String, LedgerError> {
    serde_json::to_string(command).map_err(|_| LedgerError::unreadable(Fault::Command))
}

/// The parser's own error is left out, because it may quote the message.
fn read(written: &str) -> Result<Box<MessageSend>, LedgerError> {
    serde_json::from_str(written).map_err(|_| LedgerError::unreadable(Fault::Command))
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::unreadable)
}
