//! Starts the journal.

use std::sync::Arc;
use std::time::Duration;

use journal::Retention;
use messaging::{Bus, Consumer, ConsumerState, Publisher, RetryPolicy};
use protocol::topology::QueueName;

use super::Running;

impl Running {
    /// Starts what keeps every event, the account, and why texts were answered as they were.
    pub(super) fn journal(&self, bus: &Arc<dyn Bus>, opened: &store::Opened) {
        let journal::Config { prefetch, retention, bytes_max } = self.settings.journal;
        let (events, dead, keeper) = journal::witnesses(opened, self.environment.clone());
        self.work("keep account", keeper.run());
        self.witness(bus, QueueName::journal(), prefetch, events);
        self.witness(bus, QueueName::journal_dead(), prefetch, dead);
        let parts = || (self.environment.clone(), self.tasks.shutdown().token().clone());
        let (environment, token) = parts();
        self.work("tell the account", journal::tell(opened.clone(), environment, token));
        let (environment, token) = parts();
        self.work("count queues", journal::backlog(Arc::clone(bus), self.settings.topology(), environment, token));
        let (environment, token) = parts();
        let replayable = retention.max(self.settings.egress.retention);
        let retention = Retention { usual: retention, replayable, bytes_max: bytes_max as u64 };
        self.work("forget the old", journal::forget(opened.clone(), retention, environment, token));
    }

    /// Shows a queue to a witness until shutdown is requested.
    fn witness<W: messaging::Witness>(&self, bus: &Arc<dyn Bus>, queue: QueueName, prefetch: u16, by: W) {
        let publisher = Publisher::new(Arc::clone(bus), "journal");
        let name = format!("witness {queue}");
        // A witness does not fail, so nothing is tried again.
        let retry = RetryPolicy { first: Duration::from_secs(1), longest: Duration::from_secs(1), attempts_max: None };
        let consumer = Consumer { queue, prefetch, retry, ordered: false, share: None, drain: self.settings.bus.drain };
        let (environment, token) = (self.environment.clone(), self.tasks.shutdown().token().clone());
        let component = self.health.component(name.clone());
        let tell = move |state| match state {
            ConsumerState::Subscribed => component.ready(),
            ConsumerState::Waiting(reason) => component.not_ready(reason),
        };
        self.work(name, messaging::witness(publisher, consumer, by, environment, token, tell));
    }
}
