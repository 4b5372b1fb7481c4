//! The ledger in a PostgreSQL database, for several replicas.
//!
//! It keeps no state of its own: after a restart of the server it goes on by itself, over new connections.

mod accounts;
mod claims;
mod consents;
mod desk;
mod group;
mod journal;
mod lent;
mod memories;
mod pool;
mod rows;
mod schema;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{Address, BackendName, EventId, SessionId, Timestamp};
use tokio_postgres::Config;

use crate::accounts::{Accounts, Entry, Fact, Open};
use crate::claim::{Claim, Claimed};
use crate::consents::{Choice, Consent, ConsentChange, Consents};
use crate::ledger::{AllOverdue, BoxFuture, GaveUp, GiveUp, Ledger, Record, Release, Settled};
use crate::memory::{Keep, Kept, Memories, Memory, MemoryKey};
use crate::{Account, LedgerError, Older, OpenError, Outcome, Settings};
use consents::Recipient;
use group::Group;
use journal::Searches;
use pool::Connections;
use rows::Settlement;

/// A ledger in a database.
pub(crate) struct Postgres {
    connections: Connections,
    searches: Searches,
    claims: Group<EventId, Arc<Claim>, Claimed>,
    look_ups: Group<EventId, EventId, Option<Record>>,
    settlements: Group<EventId, Settlement, Settled>,
    permits: Group<EventId, Recipient, bool>,
}

impl Postgres {
    pub(crate) async fn open(config: Config, settings: Settings, older: Older) -> Result<Self, OpenError> {
        let connections = Connections::new(config, settings)?;
        schema::prepare(&connections, older).await?;
        Ok(Self {
            connections,
            searches: Searches::beside(settings.connections_max),
            claims: Group::new(|claim| claim.message_id),
            look_ups: Group::new(|message_id| *message_id),
            settlements: Group::new(|settlement| settlement.message_id),
            permits: Group::new(|(message_id, _, _)| *message_id),
        })
    }
}

impl Ledger for Postgres {
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        Box::pin(self.connections.perform_together("claim", &self.claims, Arc::new(claim), claims::claim))
    }

    fn find<'a>(&'a self, message_ids: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        Box::pin(self.connections.perform("find", move |client| rows::find(client, message_ids)))
    }

    fn look_up(&self, message_id: EventId) -> BoxFuture<'_, Result<Option<Record>, LedgerError>> {
        Box::pin(self.connections.perform_together("look_up", &self.look_ups, message_id, rows::look_up))
    }

    fn find_by_session<'a>(
        &'a self,
        backend: &'a BackendName,
        session_id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        Box::pin(
            self.connections
                .perform("find_by_session", move |client| rows::find_by_session(client, backend, session_id)),
        )
    }

    fn settle<'a>(
        &'a self,
        message_id: EventId,
        session_id: &'a SessionId,
        outcome: Outcome,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Settled, LedgerError>> {
        let settlement = Settlement { message_id, session_id: session_id.clone(), outcome, at };
        Box::pin(self.connections.perform_together("settle", &self.settlements, settlement, rows::settle))
    }

    fn give_up(&self, give_up: GiveUp) -> BoxFuture<'_, Result<GaveUp, LedgerError>> {
        Box::pin(async move { self.connections.perform("give_up", |client| rows::give_up(client, &give_up)).await })
    }

    fn replay(
        &self,
        message_id: EventId,
        given_up_before: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, LedgerError>> {
        Box::pin(
            self.connections.perform("replay", move |client| rows::replay(client, message_id, given_up_before, at)),
        )
    }

    fn reopen<'a>(&'a self, release: &'a Release, at: Timestamp) -> BoxFuture<'a, Result<bool, LedgerError>> {
        Box::pin(self.connections.perform("reopen", move |client| rows::reopen(client, release, at)))
    }

    fn commanded(&self, message_id: EventId, reopened_at: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.connections.perform("commanded", move |client| rows::commanded(client, message_id, reopened_at)))
    }

    fn overdue<'a>(
        &'a self,
        backend: &'a BackendName,
        released_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'a, Result<AllOverdue, LedgerError>> {
        Box::pin(
            self.connections.perform("overdue", move |client| rows::overdue(client, backend, released_before, limit)),
        )
    }

    fn count(&self) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.connections.perform("count", rows::count))
    }

    fn prune(&self, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.connections.perform("prune", move |client| rows::prune(client, before, limit)))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.connections.perform("ping", rows::ping))
    }
}

impl Accounts for Postgres {
    fn record<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.connections.perform("record", move |client| accounts::record(client, facts)))
    }

    fn account(&self, settled_before: Timestamp) -> BoxFuture<'_, Result<Account, LedgerError>> {
        Box::pin(
            self.connections.perform_within("account", accounts::ANSWER_MAX, move |client| {
                accounts::account(client, settled_before)
            }),
        )
    }

    fn open_entries(
        &self,
        open: Open,
        settled_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(self.connections.perform_within("open_entries", accounts::ANSWER_MAX, move |client| {
            accounts::open_entries(client, open, settled_before, limit)
        }))
    }

    fn strays(
        &self,
        awaited_since: Timestamp,
        settled_before: Timestamp,
    ) -> BoxFuture<'_, Result<BTreeMap<BackendName, u64>, LedgerError>> {
        Box::pin(self.connections.perform_within("strays", accounts::ANSWER_MAX, move |client| {
            accounts::strays(client, awaited_since, settled_before)
        }))
    }

    fn unbegun(&self, settled_before: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(self.connections.perform_within("unbegun", accounts::ANSWER_MAX, move |client| {
            accounts::unbegun(client, settled_before, limit)
        }))
    }

    fn forget(
        &self,
        touched_before: Timestamp,
        replayable_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.connections.perform_within("forget", accounts::ANSWER_MAX, move |client| {
            accounts::forget(client, touched_before, replayable_before, limit)
        }))
    }
}

impl Memories for Postgres {
    fn recall<'a>(&'a self, keys: &'a [MemoryKey]) -> BoxFuture<'a, Result<Vec<Memory>, LedgerError>> {
        Box::pin(self.connections.perform("recall", move |client| memories::recall(client, keys)))
    }

    fn chosen<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Choice>, LedgerError>> {
        Box::pin(async { Ok(self.consent(backend, person).await?.map(|consent| consent.choice)) })
    }

    fn recorded(&self, text: EventId) -> BoxFuture<'_, Result<Option<String>, LedgerError>> {
        Box::pin(self.connections.perform("recorded", move |client| memories::recorded(client, text)))
    }

    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<Kept, LedgerError>> {
        Box::pin(async move { self.connections.perform("keep", |client| memories::keep(client, &keep)).await })
    }

    fn tally<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<BTreeMap<String, u64>, LedgerError>> {
        Box::pin(self.connections.perform("tally", move |client| memories::tally(client, application)))
    }

    fn forget_records(
        &self,
        kept_before: Timestamp,
        changed_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(
            self.connections
                .perform("forget_records", move |client| memories::forget(client, kept_before, changed_before, limit)),
        )
    }
}

impl Consents for Postgres {
    fn consent<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Consent>, LedgerError>> {
        Box::pin(self.connections.perform("consent", move |client| consents::consent(client, backend, person)))
    }

    fn change(&self, change: ConsentChange) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move { self.connections.perform("change", |client| consents::change(client, &change)).await })
    }

    fn history<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Vec<ConsentChange>, LedgerError>> {
        Box::pin(self.connections.perform("history", move |client| consents::history(client, backend, person)))
    }

    fn opted_out<'a>(
        &'a self,
        after: Option<(&'a BackendName, Option<&'a Address>)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Consent>, LedgerError>> {
        Box::pin(self.connections.perform("opted_out", move |client| consents::opted_out(client, after, limit)))
    }

    fn permits<'a>(
        &'a self,
        message_id: EventId,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<bool, LedgerError>> {
        let recipient = (message_id, backend.clone(), person.clone());
        Box::pin(self.connections.perform_together("permits", &self.permits, recipient, consents::permit))
    }
}
