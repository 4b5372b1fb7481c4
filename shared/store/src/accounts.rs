//! What a record of texts and messages promises, whatever database keeps it.

use std::collections::BTreeMap;

use protocol::{BackendName, EventId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ledger::BoxFuture;
use crate::standing::{Mark, Marks, Subject};
use crate::{Account, LedgerError};

/// What one event says about a text or a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// What it is about.
    pub subject: Subject,
    /// The id of that.
    pub id: EventId,
    /// The backend that the event names.
    pub backend: BackendName,
    /// The conversation, where the event names one.
    pub correlation_id: Option<SessionId>,
    /// What it says.
    pub mark: Mark,
    /// When this was seen here.
    pub at: Timestamp,
}

/// What is on record of one text or message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub subject: Subject,
    /// Its id.
    pub id: EventId,
    /// Its backend.
    pub backend: BackendName,
    /// Its conversation, where it has one yet.
    pub correlation_id: Option<SessionId>,
    /// What was seen of it.
    pub marks: Marks,
    /// When something was seen of it last, in whole microseconds.
    pub touched_at: Timestamp,
}

impl Entry {
    fn of(fact: &Fact) -> Self {
        let Fact { subject, id, backend, correlation_id, mark, at } = fact.clone();
        Self { subject, id, backend, correlation_id, marks: mark.into(), touched_at: crate::ledger::kept(at) }
    }

    /// Both together. In SQL the same is done to an entry that is there.
    fn and(self, other: Self) -> Self {
        // The backend of the beginning is the one of the account; an answer may go out through another.
        let backend = match (self.marks.has(Mark::Begun), other.marks.has(Mark::Begun)) {
            (true, false) => self.backend,
            (false, true) => other.backend,
            (true, true) | (false, false) => self.backend.min(other.backend),
        };
        Self {
            backend,
            correlation_id: self.correlation_id.or(other.correlation_id),
            marks: self.marks.and(other.marks),
            touched_at: self.touched_at.max(other.touched_at),
            ..self
        }
    }
}

/// The entries that these facts make: one each, in the order of their keys, so that two who write at once never wait
/// for each other in a circle.
pub(crate) fn entries(facts: &[Fact]) -> Vec<Entry> {
    let mut entries: BTreeMap<(Subject, EventId), Entry> = BTreeMap::new();
    for fact in facts {
        let key = (fact.subject, fact.id);
        let entry = Entry::of(fact);
        let entry = match entries.remove(&key) {
            Some(known) => known.and(entry),
            None => entry,
        };
        entries.insert(key, entry);
    }
    entries.into_values().collect()
}

/// What an entry that is still open is looked for by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// A text that waits on router's queue, as far as is known.
    Text,
    /// A message that waits on its lane, as far as is known.
    Message,
    /// A message that a session has, and whose result nobody awaits: its outcome is recorded and was not told, or it was
    /// never released, or it should have been given up as unconfirmed.
    Stray {
        /// The release ledger awaits the result of what was released since then.
        awaited_since: Timestamp,
    },
}

/// A record of what became of each text and each message, from which an account is drawn.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Every operation may be repeated.
pub trait Accounts: Send + Sync {
    /// Records facts, all or none. Facts that are on record change nothing, and their order does not matter.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn record<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// The account of now. `settled_before` tells what is old in it: what was last touched before.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn account(&self, settled_before: Timestamp) -> BoxFuture<'_, Result<Account, LedgerError>>;

    /// What is open and was last touched before an instant: at most `limit`, the oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn open_entries(
        &self,
        open: Open,
        settled_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>>;

    /// How many [`Open::Stray`] there are of each backend, last touched before an instant.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn strays(
        &self,
        awaited_since: Timestamp,
        settled_before: Timestamp,
    ) -> BoxFuture<'_, Result<BTreeMap<BackendName, u64>, LedgerError>>;

    /// What was seen to end and not to begin, last touched before an instant: at most `limit`, the oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn unbegun(&self, settled_before: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>>;

    /// Forgets at most `limit` entries that ended and were last touched before an instant, and says how many; of those
    /// that a replay may still give another end (dead, refused, expired), the ones that were last touched before another.
    /// They go on counting in the account. One that is heard of again would count twice, so none may be forgotten while
    /// an event about it may still come.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn forget(
        &self,
        touched_before: Timestamp,
        replayable_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>>;
}
