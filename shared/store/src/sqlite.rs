//! The ledger in one SQLite file.
//!
//! Invariant: one thread owns the connection that writes. It takes all that wait, at most [`writer::GROUP_MAX`], does them in one
//! transaction, commits with a sync, and only then answers: so a sync is shared, and an answer is always on disk.
//! A second thread reads what is counted, on a connection of its own: counting takes longer than a claim may wait. A third
//! one reads the journal, and a fourth what the console keeps.

mod accounts;
mod consents;
mod desk;
mod journal;
mod memories;
mod rows;
mod schema;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::{Address, BackendName, EventId, SessionId, Timestamp};

use crate::accounts::{Accounts, Entry, Fact, Open};
use crate::claim::{Claim, Claimed};
use crate::consents::{Choice, Consent, ConsentChange, Consents};
use crate::ledger::{AllOverdue, BoxFuture, GaveUp, GiveUp, Ledger, Record, Release, Settled};
use crate::memory::{Keep, Kept, Memories, Memory, MemoryKey};
use crate::{Account, LedgerError, Older, OpenError, Outcome};
use writer::{Role, Writer};

/// A ledger in a file.
pub(crate) struct Sqlite {
    writer: Writer,
    finder: Writer,
    reader: Writer,
    journal_reader: Writer,
    desk_reader: Writer,
}

impl Sqlite {
    pub(crate) async fn open(path: PathBuf, older: Older) -> Result<Self, OpenError> {
        // The writer first: it brings the schema up to date.
        let writer = Writer::start(path.clone(), Role::Writer, older).await?;
        let finder = Writer::start(path.clone(), Role::Finder, Older::Refuse).await?;
        let reader = Writer::start(path.clone(), Role::Reader, Older::Refuse).await?;
        let journal_reader = Writer::start(path.clone(), Role::JournalReader, Older::Refuse).await?;
        let desk_reader = Writer::start(path, Role::DeskReader, Older::Refuse).await?;
        Ok(Self { writer, finder, reader, journal_reader, desk_reader })
    }
}

impl Ledger for Sqlite {
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        Box::pin(self.writer.perform("claim", move |connection| rows::claim(connection, &claim)))
    }

    fn find<'a>(&'a self, message_ids: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        let message_ids = message_ids.to_vec();
        Box::pin(self.finder.perform("find", move |connection| rows::find(connection, &message_ids)))
    }

    fn look_up(&self, message_id: EventId) -> BoxFuture<'_, Result<Option<Record>, LedgerError>> {
        Box::pin(self.finder.perform("look_up", move |connection| rows::look_up(connection, message_id)))
    }

    fn find_by_session<'a>(
        &'a self,
        backend: &'a BackendName,
        session_id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        let (backend, session_id) = (backend.clone(), session_id.clone());
        Box::pin(
            self.finder
                .perform("find_by_session", move |connection| rows::find_by_session(connection, &backend, &session_id)),
        )
    }

    fn settle<'a>(
        &'a self,
        message_id: EventId,
        session_id: &'a SessionId,
        outcome: Outcome,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Settled, LedgerError>> {
        let session_id = session_id.clone();
        Box::pin(
            self.writer
                .perform("settle", move |connection| rows::settle(connection, message_id, &session_id, outcome, at)),
        )
    }

    fn give_up(&self, give_up: GiveUp) -> BoxFuture<'_, Result<GaveUp, LedgerError>> {
        Box::pin(self.writer.perform("give_up", move |connection| rows::give_up(connection, &give_up)))
    }

    fn replay(
        &self,
        message_id: EventId,
        given_up_before: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, LedgerError>> {
        Box::pin(
            self.writer.perform("replay", move |connection| rows::replay(connection, message_id, given_up_before, at)),
        )
    }

    fn reopen<'a>(&'a self, release: &'a Release, at: Timestamp) -> BoxFuture<'a, Result<bool, LedgerError>> {
        let release = release.clone();
        Box::pin(self.writer.perform("reopen", move |connection| rows::reopen(connection, &release, at)))
    }

    fn commanded(&self, message_id: EventId, reopened_at: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(
            self.writer.perform("commanded", move |connection| rows::commanded(connection, message_id, reopened_at)),
        )
    }

    fn overdue<'a>(
        &'a self,
        backend: &'a BackendName,
        released_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'a, Result<AllOverdue, LedgerError>> {
        let backend = backend.clone();
        Box::pin(
            self.writer
                .perform("overdue", move |connection| rows::overdue(connection, &backend, released_before, limit)),
        )
    }

    fn count(&self) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.writer.perform("count", rows::count))
    }

    fn prune(&self, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.writer.perform("prune", move |connection| rows::prune(connection, before, limit)))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.writer.perform("ping", rows::ping))
    }
}

impl Accounts for Sqlite {
    fn record<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), LedgerError>> {
        let facts = facts.to_vec();
        Box::pin(self.writer.perform("record", move |connection| accounts::record(connection, &facts)))
    }

    fn account(&self, settled_before: Timestamp) -> BoxFuture<'_, Result<Account, LedgerError>> {
        Box::pin(self.reader.perform("account", move |connection| accounts::account(connection, settled_before)))
    }

    fn open_entries(
        &self,
        open: Open,
        settled_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>> {
        let entries = move |connection: &_| accounts::open_entries(connection, open, settled_before, limit);
        Box::pin(self.reader.perform("open_entries", entries))
    }

    fn strays(
        &self,
        awaited_since: Timestamp,
        settled_before: Timestamp,
    ) -> BoxFuture<'_, Result<BTreeMap<BackendName, u64>, LedgerError>> {
        Box::pin(
            self.reader
                .perform("strays", move |connection| accounts::strays(connection, awaited_since, settled_before)),
        )
    }

    fn unbegun(&self, settled_before: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(self.reader.perform("unbegun", move |connection| accounts::unbegun(connection, settled_before, limit)))
    }

    fn forget(
        &self,
        touched_before: Timestamp,
        replayable_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.writer.perform("forget", move |connection| {
            accounts::forget(connection, touched_before, replayable_before, limit)
        }))
    }
}

impl Memories for Sqlite {
    fn recall<'a>(&'a self, keys: &'a [MemoryKey]) -> BoxFuture<'a, Result<Vec<Memory>, LedgerError>> {
        let keys = keys.to_vec();
        Box::pin(self.finder.perform("recall", move |connection| memories::recall(connection, &keys)))
    }

    fn chosen<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Choice>, LedgerError>> {
        Box::pin(async { Ok(self.consent(backend, person).await?.map(|consent| consent.choice)) })
    }

    fn recorded(&self, text: EventId) -> BoxFuture<'_, Result<Option<String>, LedgerError>> {
        Box::pin(self.finder.perform("recorded", move |connection| memories::recorded(connection, text)))
    }

    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<Kept, LedgerError>> {
        Box::pin(self.writer.perform("keep", move |connection| memories::keep(connection, &keep)))
    }

    fn tally<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<BTreeMap<String, u64>, LedgerError>> {
        let application = application.to_owned();
        Box::pin(self.reader.perform("tally", move |connection| memories::tally(connection, &application)))
    }

    fn forget_records(
        &self,
        kept_before: Timestamp,
        changed_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        let forget = move |connection: &_| memories::forget(connection, kept_before, changed_before, limit);
        Box::pin(self.writer.perform("forget_records", forget))
    }
}

impl Consents for Sqlite {
    fn consent<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Consent>, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(self.finder.perform("consent", move |connection| consents::consent(connection, &backend, &person)))
    }

    fn change(&self, change: ConsentChange) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.writer.perform("change", move |connection| consents::change(connection, &change)))
    }

    fn history<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Vec<ConsentChange>, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(self.reader.perform("history", move |connection| consents::history(connection, &backend, &person)))
    }

    fn opted_out<'a>(
        &'a self,
        after: Option<(&'a BackendName, Option<&'a Address>)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Consent>, LedgerError>> {
        let after = after.map(|(backend, person)| (backend.clone(), person.cloned()));
        Box::pin(
            self.reader.perform("opted_out", move |connection| consents::opted_out(connection, after.as_ref(), limit)),
        )
    }

    fn permits<'a>(
        &'a self,
        message_id: EventId,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<bool, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(
            self.finder
                .perform("permits", move |connection| consents::permits(connection, message_id, &backend, &person)),
        )
    }
}

/// Whether an error passes by itself: not, if the file is damaged, something else, or may not be written.
fn judge(error: rusqlite::Error) -> LedgerError {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, OperationInterrupted,
        OutOfMemory, SystemIoFailure,
    };
    let passes = matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | OperationInterrupted
                | OutOfMemory
                | SystemIoFailure
        )
    );
    if passes { LedgerError::unavailable(error) } else { LedgerError::corrupt(error) }
}
