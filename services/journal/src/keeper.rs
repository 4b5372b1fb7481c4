//! Writes facts and explanations to the database, many at a time.

use std::sync::Arc;
use std::time::Duration;

use messaging::Environment;
use store::{Accounts, Explanation, Explanations, Fact};
use tokio::sync::{mpsc, oneshot};

use crate::facts::Noted;
use crate::observe;

/// How many deliveries share a transaction at most.
const GROUP_MAX: usize = 256;

/// How long a transaction waits for more to share it. Nobody waits for the account but who asks for it.
const GATHER: Duration = Duration::from_millis(20);

/// The pause before a database that failed is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What one delivery says, and who waits for it to be on record.
pub(crate) struct Note {
    pub(crate) noted: Noted,
    pub(crate) kept: oneshot::Sender<()>,
}

/// Writes what the witnesses of one process note.
pub struct Keeper {
    notes: mpsc::Receiver<Note>,
    accounts: Arc<dyn Accounts>,
    explanations: Arc<dyn Explanations>,
    environment: Environment,
}

impl Keeper {
    pub(crate) fn new(
        notes: mpsc::Receiver<Note>,
        accounts: Arc<dyn Accounts>,
        explanations: Arc<dyn Explanations>,
        environment: Environment,
    ) -> Self {
        Self { notes, accounts, explanations, environment }
    }

    /// Writes until the witnesses are gone.
    pub async fn run(mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.notes.recv().await {
            group.push(first);
            self.gather(&mut group).await;
            self.write(&group).await;
            for Note { kept, .. } in group.drain(..) {
                // Nobody waits any more where the delivery was given back.
                let _ = kept.send(());
            }
        }
    }

    async fn gather(&mut self, group: &mut Vec<Note>) {
        let full = async {
            while group.len() < GROUP_MAX
                && let Some(note) = self.notes.recv().await
            {
                group.push(note);
            }
        };
        tokio::select! {
            biased;
            () = full => {}
            () = self.environment.clock.sleep(GATHER) => {}
        }
    }

    /// Writes a group, however long the database is away, unless nobody waits for it any more.
    ///
    /// What is given back then comes again, and is written then.
    async fn write(&self, group: &[Note]) {
        let facts: Vec<Fact> = group.iter().flat_map(|note| note.noted.facts.iter().cloned()).collect();
        let explanations: Vec<Explanation> = group.iter().filter_map(|note| note.noted.explanation.clone()).collect();
        while group.iter().any(|note| !note.kept.is_closed()) {
            // Side by side: SQLite writes both in one transaction.
            match tokio::try_join!(self.accounts.record(&facts), self.explanations.keep(&explanations)) {
                Ok(((), ())) => return,
                Err(error) => observe::not_recorded(&error),
            }
            self.environment.clock.sleep(TRY_AGAIN_AFTER).await;
        }
    }
}

#[cfg(test)]
mod tests;
