//! A journal whose log is searched without end.

use std::sync::Arc;

use messaging::BoxFuture;
use protocol::{EventId, SessionId, Timestamp};
use store::{
    Begun, EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LedgerError, LogFilter, LogPage,
    Logged, Numbered, Tally,
};

pub(crate) struct Slow(pub(crate) Arc<dyn Journal>);

impl Journal for Slow {
    fn keep_events<'a>(&'a self, entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.0.keep_events(entries)
    }

    fn log<'a>(&'a self, _: &'a LogFilter, _: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        Box::pin(std::future::pending())
    }

    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        self.0.look_for(id)
    }

    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>> {
        self.0.events(of)
    }

    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>> {
        self.0.events_after(number, limit)
    }

    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>> {
        self.0.last_number()
    }

    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>> {
        self.0.tallies(since)
    }

    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>> {
        self.0.latencies(since, limit)
    }

    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>> {
        self.0.begun(messages)
    }

    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>> {
        self.0.size()
    }

    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        self.0.forget_events(before, bytes_max, limit)
    }
}
