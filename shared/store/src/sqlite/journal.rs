//! The journal in SQL. Each operation runs inside a transaction; what writes, in one that holds the write lock.

mod forget;
mod keep;
mod look;

use protocol::{SessionId, Timestamp};

use super::Sqlite;
use crate::LedgerError;
use crate::journal::{
    EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LogFilter, LogPage, Logged, Numbered, Tally,
};
use crate::ledger::BoxFuture;

impl Journal for Sqlite {
    fn keep_events<'a>(&'a self, entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>> {
        let entries = entries.to_vec();
        Box::pin(self.writer.perform(move |connection| keep::keep(connection, &entries)))
    }

    fn log<'a>(&'a self, filter: &'a LogFilter, page: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        let filter = filter.clone();
        Box::pin(self.journal_reader.perform(move |connection| look::log(connection, &filter, page)))
    }

    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        let id = id.clone();
        Box::pin(self.journal_reader.perform(move |connection| look::look_for(connection, &id)))
    }

    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>> {
        let of = of.clone();
        Box::pin(self.journal_reader.perform(move |connection| look::events(connection, &of)))
    }

    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>> {
        Box::pin(self.journal_reader.perform(move |connection| look::events_after(connection, number, limit)))
    }

    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>> {
        Box::pin(self.journal_reader.perform(look::last_number))
    }

    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>> {
        Box::pin(self.journal_reader.perform(move |connection| look::tallies(connection, since)))
    }

    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>> {
        Box::pin(self.journal_reader.perform(move |connection| look::latencies(connection, since, limit)))
    }

    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>> {
        Box::pin(self.journal_reader.perform(look::size))
    }

    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.writer.perform(move |connection| forget::forget(connection, before, bytes_max, limit)))
    }
}
