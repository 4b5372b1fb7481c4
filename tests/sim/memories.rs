//! What applications remember, as a process reaches it: over the same network as the ledger.

use std::collections::BTreeMap;

use protocol::{Address, BackendName, EventId, Timestamp};
use store::{BoxFuture, Choice, Keep, Kept, LedgerError, Memories, Memory, MemoryKey};

use crate::ledger::{Remote, wait};

impl Memories for Remote {
    fn recall<'a>(&'a self, keys: &'a [MemoryKey]) -> BoxFuture<'a, Result<Vec<Memory>, LedgerError>> {
        let keys = keys.to_vec();
        Box::pin(self.ask(move |database| wait(database.memories.recall(&keys))))
    }

    fn chosen<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Choice>, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(self.ask(move |database| wait(database.memories.chosen(&backend, &person))))
    }

    fn recorded(&self, text: EventId) -> BoxFuture<'_, Result<Option<String>, LedgerError>> {
        Box::pin(self.ask(move |database| wait(database.memories.recorded(text))))
    }

    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<Kept, LedgerError>> {
        Box::pin(self.ask(move |database| wait(database.memories.keep(keep))))
    }

    fn tally<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<BTreeMap<String, u64>, LedgerError>> {
        let application = application.to_owned();
        Box::pin(self.ask(move |database| wait(database.memories.tally(&application))))
    }

    fn forget_records(
        &self,
        kept_before: Timestamp,
        changed_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.ask(move |database| wait(database.memories.forget_records(kept_before, changed_before, limit))))
    }
}
