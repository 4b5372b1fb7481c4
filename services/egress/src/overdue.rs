//! What goes on beside the lanes: reconciling with the ledger, saying what stays unconfirmed, forgetting what is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use messaging::{Outgoing, PublishError, Publisher};
use protocol::{
    BackendName, Envelope, Event, EventId, EventType, Head, Kind, MessageSend, MessageUnconfirmed, Timestamp,
};
use store::{LedgerError, Outcome, Overdue, Record, Release, Settled};
use tokio_util::sync::CancellationToken;

use crate::{Backend, Egress, OnUnconfirmed, observe};

/// How often overdue results are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How many overdue releases of a backend are told at once.
const SWEEP_MAX: u32 = 500;

/// How often a message is sent again at most. A result that never comes may have a reason that stays (what Tropo posts
/// does not reach us, say): then the phone did get the text, each time, and would get it again until it expires.
const RESENDS_MAX: u32 = 3;

/// How often, and how many at once, releases are forgotten.
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
        let mut unreadable = BTreeSet::new();
        while shutdown.run_until_cancelled(self.environment.clock.sleep(every)).await.is_some() {
            if let Err(error) = self.pending.reconcile(&*self.ledger, &mut unreadable).await {
                observe::ledger_away(&error);
            }
        }
    }

    /// Publishes `message.unconfirmed` for what was released and got no result in its time, and sends it again where its
    /// backend is set to, until shutdown is requested.
    ///
    /// Begins a result's time after the start: results that came while nobody consumed them are still on their queue.
    pub async fn sweep(self: Arc<Self>, publisher: Publisher, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.environment.clock.sleep(self.config.result_timeout)).await;
        let mut told = BTreeSet::new();
        while shutdown.run_until_cancelled(self.environment.clock.sleep(SWEEP_INTERVAL)).await.is_some() {
            for (name, backend) in &self.backends {
                if let Err(error) = self.sweep_backend(name, backend, &publisher, &mut told).await {
                    observe::sweep_failed(name, &error);
                }
            }
        }
    }

    /// Forgets what ended long ago, or never will, until shutdown is requested.
    pub async fn prune(self: Arc<Self>, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.environment.clock.sleep(PRUNE_INTERVAL)).await.is_some() {
            let Ok(before) = self.environment.now().checked_sub(self.config.retention) else { continue };
            // As long as a batch is full, there is more.
            while !shutdown.is_cancelled() {
                match self.ledger.prune(before, PRUNE_MAX).await {
                    Ok(forgotten) if u64::from(PRUNE_MAX) <= forgotten => {}
                    Ok(_) => break,
                    Err(error) => {
                        observe::ledger_away(&error);
                        break;
                    }
                }
            }
        }
    }

    async fn sweep_backend(
        &self,
        name: &BackendName,
        backend: &Backend,
        publisher: &Publisher,
        told: &mut BTreeSet<EventId>,
    ) -> Result<(), SweepError> {
        let now = self.environment.now();
        let Ok(released_before) = now.checked_sub(self.config.result_timeout) else { return Ok(()) };
        let overdue = self.ledger.overdue(name, released_before, SWEEP_MAX).await?;
        for (message_id, error) in &overdue.unreadable {
            if told.insert(*message_id) {
                observe::unreadable(*message_id, error);
            }
        }
        for overdue in overdue.readable {
            // Many may have been told before this one, and its result may have come meanwhile.
            let is_overdue_still = match self.ledger.look_up(overdue.release.message_id).await? {
                Some(Record::Released(known)) => known == overdue.release,
                Some(Record::Open) => overdue.open_since.is_some(),
                Some(Record::GivenUp(_)) | None => false,
            };
            if is_overdue_still {
                self.hold_or_resend(overdue, backend, publisher).await?;
            }
        }
        Ok(())
    }

    /// Each step is told or published first and recorded second: after a crash between the two, or beside another
    /// replica, it is done again, with the same ids.
    async fn hold_or_resend(
        &self,
        overdue: Overdue,
        backend: &Backend,
        publisher: &Publisher,
    ) -> Result<(), SweepError> {
        let now = self.environment.now();
        let Overdue { release, open_since, command } = overdue;
        if open_since.is_none() {
            publisher.publish(&Outgoing::new(&unconfirmed(&release, now))).await?;
        }
        let Some(command) = command.filter(|command| is_resent(backend, &release, command, now)) else {
            let (message_id, session_id) = (release.message_id, &release.session_id);
            let settled = self.ledger.settle(message_id, session_id, Outcome::Unconfirmed, now).await?;
            if let Settled::Recorded(_) = settled {
                observe::settled(&cause(&release), Outcome::Unconfirmed);
            }
            return Ok(());
        };
        let reopened_at = match open_since {
            Some(reopened_at) => reopened_at,
            None if self.ledger.reopen(&release, now).await? => now,
            // Its result came in this moment, or another replica is at it.
            None => return Ok(()),
        };
        publisher.publish(&Outgoing::new(&again(&release, *command, reopened_at))).await?;
        self.ledger.commanded(release.message_id, reopened_at).await?;
        observe::resent(&release);
        Ok(())
    }
}

/// Whether an unconfirmed message is sent again.
fn is_resent(backend: &Backend, release: &Release, command: &MessageSend, now: Timestamp) -> bool {
    backend.on_unconfirmed == OnUnconfirmed::Resend
        && release.life < RESENDS_MAX
        && command.expires_at.is_none_or(|expires_at| now < expires_at)
}

/// The command of a release.
fn cause(release: &Release) -> Head {
    Head {
        id: release.message_id,
        event_type: EventType { kind: Kind::MessageSend, version: MessageSend::VERSION },
        backend: release.backend.clone(),
        correlation_id: release.correlation_id.clone(),
        causation_id: None,
        time: release.released_at,
    }
}

fn unconfirmed(release: &Release, now: Timestamp) -> Envelope<MessageUnconfirmed> {
    let Release { message_id, session_id, life, released_at, .. } = release.clone();
    let data = MessageUnconfirmed { message_id, session_id, released_at };
    Envelope::caused_by(&cause(release), life, now, data).correlated(&release.session_id)
}

/// The same message, commanded again. One that was in no conversation stays in that of its first session.
fn again(release: &Release, command: MessageSend, reopened_at: Timestamp) -> Envelope<MessageSend> {
    let head = Head { time: reopened_at, ..cause(release) };
    Envelope { head, data: command }.correlated(&release.session_id)
}
