//! The journal in SQL. Each operation runs inside a transaction; what writes, in one that holds the write lock.

mod forget;
mod keep;
mod look;

use protocol::{EventId, SessionId, Timestamp};

use super::Sqlite;
use crate::LedgerError;
use crate::journal::{
    Begun, EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LogFilter, LogPage, Logged, Numbered,
    Tally,
};
use crate::ledger::BoxFuture;

impl Journal for Sqlite {
    fn keep_events<'a>(&'a self, entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>> {
        let entries = entries.to_vec();
        Box::pin(self.writer.perform("keep_events", move |connection| keep::keep(connection, &entries)))
    }

    fn log<'a>(&'a self, filter: &'a LogFilter, page: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        let filter = filter.clone();
        Box::pin(self.journal_reader.perform("log", move |connection| look::log(connection, &filter, page)))
    }

    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        let id = id.clone();
        Box::pin(self.journal_reader.perform("look_for", move |connection| look::look_for(connection, &id)))
    }

    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>> {
        let of = of.clone();
        Box::pin(self.journal_reader.perform("events", move |connection| look::events(connection, &of)))
    }

    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>> {
        Box::pin(
            self.journal_reader
                .perform("events_after", move |connection| look::events_after(connection, number, limit)),
        )
    }

    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>> {
        Box::pin(self.journal_reader.perform("last_number", look::last_number))
    }

    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>> {
        Box::pin(self.journal_reader.perform("tallies", move |connection| look::tallies(connection, since)))
    }

    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>> {
        Box::pin(self.journal_reader.perform("latencies", move |connection| look::latencies(connection, since, limit)))
    }

    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>> {
        let messages = messages.to_vec();
        Box::pin(self.journal_reader.perform("begun", move |connection| look::begun(connection, &messages)))
    }

    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>> {
        Box::pin(self.journal_reader.perform("size", look::size))
    }

    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(
            self.writer
                .perform("forget_events", move |connection| forget::forget(connection, before, bytes_max, limit)),
        )
    }
}
