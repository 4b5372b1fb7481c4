//! The journal, in SQL.
//!
//! Who writes to it locks its totals first. So of several replicas one writes at a time, what it reads stays as it is, and
//! greater numbers are committed later.

mod forget;
mod keep;
mod look;

use std::time::Duration;

use protocol::{EventId, SessionId, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Postgres;
use super::accounts::ANSWER_MAX;
use super::lent::is_cut_short;
use crate::LedgerError;
use crate::error::Fault;
use crate::journal::{
    Begun, EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LogFilter, LogPage, Logged, Numbered,
    Tally,
};
use crate::ledger::BoxFuture;

/// The longest wait for what is looked for: longer than the server may take.
const SEARCH_MAX: Duration = Duration::from_secs(10);

/// Who looks for words: so many at once at most, because claims wait for the same connections.
pub(super) struct Searches(Semaphore);

impl Searches {
    /// Beside a pool of so many connections.
    pub(super) fn beside(connections: usize) -> Self {
        Self(Semaphore::new((connections / 4).clamp(1, 2)))
    }

    /// Waits for a turn, which lasts until what is returned is dropped.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, LedgerError> {
        let turn = timeout(SEARCH_MAX, self.0.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| LedgerError::unavailable(Fault::Searched))
    }
}

impl Journal for Postgres {
    fn keep_events<'a>(&'a self, entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.connections.perform_within("keep_events", ANSWER_MAX, move |client| keep::keep(client, entries)))
    }

    fn log<'a>(&'a self, filter: &'a LogFilter, page: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        Box::pin(async move {
            let _turn = match filter.words {
                Some(_) => Some(self.searches.turn().await?),
                None => None,
            };
            let found =
                self.connections.perform_within("log", SEARCH_MAX, move |client| look::log(client, filter, page));
            found.await.map_err(|error| match is_cut_short(&error) {
                true => LedgerError::unavailable(Fault::TooMuch),
                false => error,
            })
        })
    }

    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        Box::pin(self.connections.perform("look_for", move |client| look::look_for(client, id)))
    }

    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>> {
        Box::pin(self.connections.perform("events", move |client| look::events(client, of)))
    }

    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>> {
        Box::pin(self.connections.perform("events_after", move |client| look::events_after(client, number, limit)))
    }

    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>> {
        Box::pin(self.connections.perform("last_number", look::last_number))
    }

    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>> {
        Box::pin(self.connections.perform("tallies", move |client| look::tallies(client, since)))
    }

    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>> {
        Box::pin(self.connections.perform("latencies", move |client| look::latencies(client, since, limit)))
    }

    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>> {
        Box::pin(self.connections.perform("begun", move |client| look::begun(client, messages)))
    }

    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>> {
        Box::pin(self.connections.perform("size", look::size))
    }

    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.connections.perform_within("forget_events", ANSWER_MAX, move |client| {
            forget::forget(client, before, bytes_max, limit)
        }))
    }
}
