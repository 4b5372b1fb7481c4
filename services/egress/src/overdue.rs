//! What goes on beside the lanes: reconciling with the ledger, saying what stays unconfirmed, forgetting what is over.

use std::sync::Arc;
use std::time::Duration;

use messaging::{Outgoing, PublishError, Publisher};
use protocol::{BackendName, Envelope, EventType, Head, Kind, MessageUnconfirmed};
use store::{LedgerError, Outcome, Release, Settled};
use tokio_util::sync::CancellationToken;

use crate::{Egress, observe};

/// How often overdue results are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How many overdue releases of a backend are told at once.
const SWEEP_MAX: u32 = 500;

/// How often, and how many at once, releases are forgotten: 60,000 a minute keep up with 1,000 messages a second.
const PRUNE_INTERVAL: Duration = Duration::from_secs(5);
const PRUNE_MAX: u32 = 5000;

/// Why a sweep ended early; the next one begins anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("the release ledger is not available")]
    Ledger(#[from] LedgerError),
    #[error("what is unconfirmed could not be published")]
    Publish(#[from] PublishError),
}

impl Egress {
    /// Looks up releases by other replicas, for what waits here, until shutdown is requested.
    pub async fn reconcile(self: Arc<Self>, shutdown: CancellationToken) {
        let every = self.config.reconcile_interval;
        while shutdown.run_until_cancelled(self.environment.clock.sleep(every)).await.is_some() {
            if let Err(error) = self.pending.reconcile(&*self.ledger).await {
                observe::ledger_away(&error);
            }
        }
    }

    /// Publishes `message.unconfirmed` for what was released and got no result in its time, until shutdown is
    /// requested.
    ///
    /// Begins a result's time after the start: results that came while nobody consumed them are still on their queue.
    pub async fn sweep(self: Arc<Self>, publisher: Publisher, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.environment.clock.sleep(self.config.result_timeout)).await;
        while shutdown.run_until_cancelled(self.environment.clock.sleep(SWEEP_INTERVAL)).await.is_some() {
            for backend in self.backends.keys() {
                if let Err(error) = self.sweep_backend(backend, &publisher).await {
                    observe::sweep_failed(backend, &error);
                }
            }
        }
    }

    /// Forgets what ended long ago, until shutdown is requested.
    pub async fn prune(self: Arc<Self>, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.environment.clock.sleep(PRUNE_INTERVAL)).await.is_some() {
            let Ok(settled_before) = self.environment.now().checked_sub(self.config.retention) else { continue };
            if let Err(error) = self.ledger.prune(settled_before, PRUNE_MAX).await {
                observe::ledger_away(&error);
            }
        }
    }

    async fn sweep_backend(&self, backend: &BackendName, publisher: &Publisher) -> Result<(), SweepError> {
        let now = self.environment.now();
        let Ok(released_before) = now.checked_sub(self.config.result_timeout) else { return Ok(()) };
        for release in self.ledger.overdue(backend, released_before, SWEEP_MAX).await? {
            // Many may have been told before this one, and its result may have come meanwhile.
            let known = self.ledger.find(&[release.message_id]).await?;
            if known.iter().any(|release| release.outcome.is_some()) {
                continue;
            }
            // Told first, recorded second: a crash between the two tells it again, with the same id.
            let event = unconfirmed(&release, now);
            publisher.publish(&Outgoing::new(&event)).await?;
            let settled =
                self.ledger.settle(release.message_id, &release.session_id, Outcome::Unconfirmed, now).await?;
            if let Settled::Recorded(_) = settled {
                observe::settled(&event.head, Outcome::Unconfirmed);
            }
        }
        Ok(())
    }
}

fn unconfirmed(release: &Release, now: protocol::Timestamp) -> Envelope<MessageUnconfirmed> {
    let Release { message_id, session_id, backend, correlation_id, released_at, .. } = release.clone();
    let cause = Head {
        id: message_id,
        event_type: EventType { kind: Kind::MessageSend, version: 1 },
        backend,
        correlation_id,
        causation_id: None,
        time: released_at,
    };
    let data = MessageUnconfirmed { message_id, session_id: session_id.clone(), released_at };
    Envelope::caused_by(&cause, 0, now, data).correlated(&session_id)
}
