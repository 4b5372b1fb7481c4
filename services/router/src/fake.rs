//! A memory without a database, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use protocol::{Address, BackendName, EventId, Timestamp};
use store::{BoxFuture, Choice, ConsentChange, Keep, Kept, LedgerError, Memories, Memory, MemoryKey};

/// Keeps everything in memory, and can be away.
#[derive(Debug, Default)]
pub(crate) struct InMemory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) memories: BTreeMap<MemoryKey, Memory>,
    pub(crate) records: BTreeMap<EventId, String>,
    pub(crate) consents: Vec<ConsentChange>,
    pub(crate) is_away: bool,
}

impl InMemory {
    /// What is in it, to look at and to change.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer<'a, T: Send + 'a>(&self, look: impl FnOnce(&mut State) -> T) -> BoxFuture<'a, Result<T, LedgerError>> {
        let answer = self.with(|state| {
            let away = || LedgerError::Unavailable(std::sync::Arc::new(std::io::Error::other("away")));
            if state.is_away { Err(away()) } else { Ok(look(state)) }
        });
        Box::pin(async { answer })
    }
}

impl Memories for InMemory {
    fn recall<'a>(&'a self, keys: &'a [MemoryKey]) -> BoxFuture<'a, Result<Vec<Memory>, LedgerError>> {
        self.answer(|state| keys.iter().filter_map(|key| state.memories.get(key).cloned()).collect())
    }

    fn chosen<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Choice>, LedgerError>> {
        self.answer(|state| {
            let is_theirs = |change: &&ConsentChange| (&change.backend, &change.person) == (backend, person);
            state.consents.iter().rev().filter(is_theirs).find_map(|change| change.choice)
        })
    }

    fn recorded(&self, text: EventId) -> BoxFuture<'_, Result<Option<String>, LedgerError>> {
        self.answer(|state| state.records.get(&text).cloned())
    }

    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<Kept, LedgerError>> {
        self.answer(|state| {
            if let Some(record) = state.records.get(&keep.text) {
                return Kept::Before(record.clone());
            }
            let version = |key| state.memories.get(key).map_or(0, |memory: &Memory| memory.version);
            if keep.changes.iter().any(|change| version(&change.key) != change.seen) {
                return Kept::Stale;
            }
            for change in keep.changes {
                let (key, version, changed_at) = (change.key, change.seen + 1, keep.at);
                match change.value {
                    Some(value) => drop(state.memories.insert(key.clone(), Memory { key, value, version, changed_at })),
                    None => drop(state.memories.remove(&key)),
                }
            }
            state.records.insert(keep.text, keep.record);
            state.consents.extend(keep.consent);
            Kept::Now
        })
    }

    fn tally<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<BTreeMap<String, u64>, LedgerError>> {
        self.answer(|state| {
            let mut tally = BTreeMap::new();
            for memory in state.memories.values().filter(|memory| memory.key.application == application) {
                *tally.entry(memory.value.clone()).or_default() += 1;
            }
            tally
        })
    }

    fn forget_records(&self, _: Timestamp, _: Timestamp, _: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        self.answer(|_| 0)
    }
}
