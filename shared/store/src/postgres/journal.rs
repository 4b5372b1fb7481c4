//! The journal, in SQL.

use protocol::{SessionId, Timestamp};

use super::Postgres;
use crate::LedgerError;
use crate::journal::{
    EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LogFilter, LogPage, Logged, Numbered, Tally,
};
use crate::ledger::BoxFuture;

impl Journal for Postgres {
    fn keep_events<'a>(&'a self, entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>> {
        let _ = entries;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn log<'a>(&'a self, filter: &'a LogFilter, page: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        let _ = filter;
        let _ = page;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        let _ = id;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>> {
        let _ = of;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>> {
        let _ = number;
        let _ = limit;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>> {
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>> {
        let _ = since;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>> {
        let _ = since;
        let _ = limit;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>> {
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        let _ = before;
        let _ = bytes_max;
        let _ = limit;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
}
