//! What a release ledger promises, whatever database keeps it.

use std::pin::Pin;

use protocol::{BackendName, EventId, SessionId, Timestamp};

use crate::{LedgerError, Outcome};

/// A future in a box, so that a ledger can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// "I am about to hand this message to this session."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The message.
    pub message_id: EventId,
    /// The session that asks for it.
    pub session_id: SessionId,
    /// The backend of both.
    pub backend: BackendName,
    /// The conversation, where it has one yet.
    pub correlation_id: Option<SessionId>,
    /// Which launch of the message this session came from, counted from 1.
    pub attempt: u32,
    /// Now.
    pub at: Timestamp,
}

/// What became of a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// The session holds the message now: give it the document.
    Granted {
        /// When it was granted, in whole microseconds.
        at: Timestamp,
    },
    /// The session held the message already: give it the same document again. So it is too when the answer to a first
    /// claim was lost.
    Again {
        /// When it was granted first.
        at: Timestamp,
    },
    /// Another session holds the message: this one gets nothing.
    Refused {
        /// The session that holds it.
        holder: SessionId,
    },
}

/// A message that was handed to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    /// The message.
    pub message_id: EventId,
    /// The session that holds it.
    pub session_id: SessionId,
    /// The backend of both.
    pub backend: BackendName,
    /// The conversation, where it had one.
    pub correlation_id: Option<SessionId>,
    /// Which launch of the message the session came from.
    pub attempt: u32,
    /// When it was claimed.
    pub released_at: Timestamp,
    /// How it ended, if that is known.
    pub outcome: Option<Outcome>,
    /// Since when that is known.
    pub outcome_at: Option<Timestamp>,
}

/// What became of an outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// It is recorded; the release as it is now.
    Recorded(Release),
    /// An outcome that it may not replace was there: the release as it is. The same outcome means that it was reported
    /// twice, or that the answer to the first report was lost: what follows from it may be published again.
    Unchanged(Release),
    /// The session does not hold the message.
    NotHolder,
}

/// A durable record of which message was handed to which session.
///
/// Every answer is given after what it says is on disk, and every method may be called again after any error.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Asking again tells.
pub trait Ledger: Send + Sync {
    /// Claims a message for a session: one atomic insert, so that of all claims, by whatever replica, one is granted.
    ///
    /// # Errors
    /// [`LedgerError`]: it is not known who holds the message, so nothing may be released.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>>;

    /// The releases of these messages, in no order; a message that is not released is left out.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn find<'a>(&'a self, message_ids: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>>;

    /// What a session holds, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn find_by_session<'a>(
        &'a self,
        backend: &'a BackendName,
        session_id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>>;

    /// Records how a release ended, if [`Outcome::replaces`] allows it and the session holds the message.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn settle<'a>(
        &'a self,
        message_id: EventId,
        session_id: &'a SessionId,
        outcome: Outcome,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Settled, LedgerError>>;

    /// Releases of a backend before an instant, without an outcome yet: at most `limit`, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn overdue<'a>(
        &'a self,
        backend: &'a BackendName,
        released_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>>;

    /// How many releases are kept.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn count(&self) -> BoxFuture<'_, Result<u64, LedgerError>>;

    /// Forgets at most `limit` releases whose outcome was recorded before an instant, oldest first, and says how many.
    /// A forgotten message could be claimed anew, so none may be forgotten while a ticket for it is valid.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn prune(&self, settled_before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>>;

    /// Whether the ledger answers now.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn ping(&self) -> BoxFuture<'_, Result<(), LedgerError>>;
}

/// The instant as both databases keep it: in whole microseconds.
pub(crate) fn kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
