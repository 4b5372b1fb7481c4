//! Why texts were answered as they were.

use protocol::{BackendName, EventId, SessionId, Timestamp};

use crate::LedgerError;
use crate::ledger::BoxFuture;

/// What the applications said to a text, and what came of it. A text that was given up and replayed has several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The event that told it.
    pub id: EventId,
    /// The text.
    pub text: EventId,
    /// The session that carried the text.
    pub session_id: SessionId,
    /// The backend.
    pub backend: BackendName,
    /// When it was told, in whole microseconds.
    pub at: Timestamp,
    /// What was told, as JSON text: nobody's number and nobody's words.
    pub body: String,
}

/// By what an explanation is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sought {
    /// By the text.
    Text(EventId),
    /// By the session that carried the text.
    Session(SessionId),
    /// By a message of the conversation that the text began, as the account knows it.
    Message(EventId),
}

/// A record of why texts were answered as they were.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Every operation may be repeated.
pub trait Explanations: Send + Sync {
    /// Keeps explanations, all or none. What is on record stays as it is.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn keep<'a>(&'a self, explanations: &'a [Explanation]) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// What is on record, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn find<'a>(&'a self, sought: &'a Sought) -> BoxFuture<'a, Result<Vec<Explanation>, LedgerError>>;

    /// Forgets at most `limit` explanations that were told before an instant, and says how many.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn forget(&self, told_before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>>;
}
