//! What applications remember of people, and what each text was answered with.

use std::collections::BTreeMap;
use std::fmt;

use protocol::{Address, BackendName, EventId, Timestamp};

use crate::LedgerError;
use crate::consents::{Choice, ConsentChange};
use crate::ledger::BoxFuture;

/// How many values [`Memories::tally`] tells apart at most: those that most people have.
pub const TALLY_MAX: u32 = 1000;

/// How long a value is, in characters, that it counts at most: the schemas and the statements have this number, too.
pub const TALLIED_CHARS_MAX: usize = 500;

/// Whose memory of whom.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MemoryKey {
    /// The application that remembers, by its name.
    pub application: String,
    /// The backend that the person texts.
    pub backend: BackendName,
    /// The person.
    pub person: Address,
}

/// What an application remembers of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Memory {
    /// Which of whom.
    pub key: MemoryKey,
    /// What it is, as JSON text.
    pub value: String,
    /// How often it was changed, counted from 1.
    pub version: u64,
    /// When it was changed last, in whole microseconds.
    pub changed_at: Timestamp,
}

/// A change of what is remembered.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Which of whom.
    pub key: MemoryKey,
    /// The version that the change was made from; 0, where nothing was remembered.
    pub seen: u64,
    /// What is remembered from now on, as JSON text; `None`: nothing.
    pub value: Option<String>,
}

/// What handling one text changed, and what the text was answered with: kept all together, or not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Keep {
    /// The text.
    pub text: EventId,
    /// What it was answered with, as JSON text.
    pub record: String,
    /// What is remembered from now on; at most one change of each key.
    pub changes: Vec<Change>,
    /// What the person chose.
    pub consent: Option<ConsentChange>,
    /// Now.
    pub at: Timestamp,
}

/// What became of what was to be kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    Now,
    /// The text was handled before, or the answer to that was lost: with its record of then. Nothing was changed now.
    Before(String),
    /// A memory was changed since it was recalled. Nothing was changed now: recall, and ask again.
    Stale,
}

/// A store of what applications remember.
///
/// A change names the version that it was made from, and is refused where that is not the version any more: so two who
/// handle texts of one person at once cannot both have their way. What is forgotten leaves its version behind for a
/// while, so that it is refused as well whoever still knows it.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Every operation may be repeated.
pub trait Memories: Send + Sync {
    /// What is remembered under these keys, in no order; where nothing is, there is no entry.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn recall<'a>(&'a self, keys: &'a [MemoryKey]) -> BoxFuture<'a, Result<Vec<Memory>, LedgerError>>;

    /// What a person chose last about being texted, as [`crate::Consents::consent`] has it.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn chosen<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Choice>, LedgerError>>;

    /// What a text was answered with, if that is on record.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn recorded(&self, text: EventId) -> BoxFuture<'_, Result<Option<String>, LedgerError>>;

    /// Keeps what handling a text changed, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`]: it is not known whether it is kept, so nothing of it may be told to anybody.
    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<Kept, LedgerError>>;

    /// How many people each value is remembered of, over all backends: the [`TALLY_MAX`] most frequent values, of those
    /// that are not longer than [`TALLIED_CHARS_MAX`].
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn tally<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<BTreeMap<String, u64>, LedgerError>>;

    /// Forgets what no text that may still come needs any more, at most `limit` of each kind, and says how many: records
    /// that were kept before an instant, with the versions and the permissions to reply of that time; and memories that
    /// were not changed since another.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn forget_records(
        &self,
        kept_before: Timestamp,
        changed_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>>;
}

/// The changes in the order of their keys, so that two who write at once never wait for each other in a circle.
pub(crate) fn in_order(changes: &[Change]) -> Vec<&Change> {
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by(|one, other| one.key.cmp(&other.key));
    changes
}

/// Shows no value: it may quote what a person texted.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value: _, version, changed_at } = self;
        f.debug_struct("Memory")
            .field("key", key)
            .field("version", version)
            .field("changed_at", changed_at)
            .finish_non_exhaustive()
    }
}

/// Shows no value: it may quote what a person texted.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, seen, value } = self;
        let is_forgotten = value.is_none();
        f.debug_struct("Change")
            .field("key", key)
            .field("seen", seen)
            .field("is_forgotten", &is_forgotten)
            .finish_non_exhaustive()
    }
}

/// Shows no record: it quotes what a person is answered.
impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, record: _, changes, consent, at } = self;
        f.debug_struct("Keep")
            .field("text", text)
            .field("changes", changes)
            .field("consent", consent)
            .field("at", at)
            .finish_non_exhaustive()
    }
}

/// Shows no record: it quotes what a person was answered.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "Now",
            Self::Before(_) => "Before(..)",
            Self::Stale => "Stale",
        })
    }
}
