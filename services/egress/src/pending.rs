//! The messages that wait here for their release, or for the word that there will be none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use messaging::Environment;
use protocol::EventId;
use store::{GivenUp, Ledger, LedgerError, Release};
use tokio::sync::oneshot;

use crate::observe;

/// The lanes' messages that have a session, or are about to: each waits to hear of its release, from the call-back
/// endpoint of this replica or, by the ledger, of another.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    waiting: Mutex<BTreeMap<EventId, Vec<Waiting>>>,
    next_ticket: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// Whether it created the session that is waited for, or joined one that had.
    is_launcher: bool,
    ended: oneshot::Sender<Ended>,
}

/// What ends a wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// A session has the message.
    Released(Release),
    /// No session gets it.
    GivenUp(GivenUp),
}

impl Ended {
    fn message_id(&self) -> EventId {
        match self {
            Self::Released(release) => release.message_id,
            Self::GivenUp(given_up) => given_up.message_id,
        }
    }
}

/// One message's wait. Dropping it ends the wait.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    pending: &'a Pending,
    message_id: EventId,
    ticket: u64,
    /// Whether another handling of the same message waits here for a session that it created.
    pub(crate) joined: bool,
    ended: oneshot::Receiver<Ended>,
}

impl Pending {
    /// Begins to wait. To be done before the session is created: its call-back may come before the create reply.
    pub(crate) fn wait_for(&self, message_id: EventId) -> Wait<'_> {
        let (sender, ended) = oneshot::channel();
        let mut waiting = self.lock();
        let waits = waiting.entry(message_id).or_default();
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        // Who joined does not count: else two copies whose session never calls back would join each other for ever.
        let joined = waits.iter().any(|wait| wait.is_launcher);
        waits.push(Waiting { ticket, is_launcher: !joined, ended: sender });
        Wait { pending: self, message_id, ticket, joined, ended }
    }

    /// Tells whoever waits what became of the message.
    pub(crate) fn ended(&self, ended: &Ended) {
        let waits = self.lock().remove(&ended.message_id()).unwrap_or_default();
        for wait in waits {
            // Nobody listens when the wait ended in this moment; the ledger knows all the same.
            let _ = wait.ended.send(ended.clone());
        }
    }

    /// Asks the ledger once for everything that waits: a call-back may have come to another replica. A message whose row
    /// cannot be understood hides no other; it is told, and not asked for again while it waits.
    ///
    /// # Errors
    /// The ledger's; what waits goes on waiting.
    pub(crate) async fn reconcile(
        &self,
        ledger: &dyn Ledger,
        unreadable: &mut BTreeSet<EventId>,
    ) -> Result<(), LedgerError> {
        let waiting: BTreeSet<EventId> = self.lock().keys().copied().collect();
        unreadable.retain(|message_id| waiting.contains(message_id));
        let ids: Vec<EventId> = waiting.difference(unreadable).copied().collect();
        let mut batches: Vec<&[EventId]> = ids.chunks(500).collect();
        while let Some(batch) = batches.pop() {
            match ledger.find(batch).await {
                Ok(releases) => releases.into_iter().for_each(|release| self.ended(&Ended::Released(release))),
                Err(error @ LedgerError::Unreadable(_)) => match batch {
                    [message_id] => {
                        unreadable.insert(*message_id);
                        observe::unreadable(*message_id, &error);
                    }
                    // It is one of these: each half is asked for by itself.
                    _ => batches.extend(<[_; 2]>::from(batch.split_at(batch.len() / 2))),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<EventId, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait<'_> {
    /// The end, or `None` when it did not come in time.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn within(&mut self, timeout: std::time::Duration, environment: &Environment) -> Option<Ended> {
        tokio::select! {
            biased;
            ended = &mut self.ended => ended.ok(),
            () = environment.clock.sleep(timeout) => None,
        }
    }

    /// The end, if it came already.
    pub(crate) fn now(&mut self) -> Option<Ended> {
        self.ended.try_recv().ok()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waiting = self.pending.lock();
        if let Some(waits) = waiting.get_mut(&self.message_id) {
            waits.retain(|wait| wait.ticket != self.ticket);
            if waits.is_empty() {
                waiting.remove(&self.message_id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
