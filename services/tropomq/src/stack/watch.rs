//! Tells the readiness of a process what the bus and the ledger say of themselves.

use std::sync::Arc;
use std::time::Duration;

use chassis::tasks::OnEnd;
use messaging::{Bus, BusState};
use store::Ledger;

use super::Running;

/// How often the ledger is asked whether it is there.
const LEDGER_INTERVAL: Duration = Duration::from_secs(1);

impl Running {
    /// Readiness follows the bus.
    pub(super) fn watch_bus(&self, bus: &Arc<dyn Bus>) {
        let component = self.health.component("bus");
        let (mut state, shutdown) = (bus.state(), self.tasks.shutdown().clone());
        self.tasks.spawn("watch bus", OnEnd::Helper, async move {
            loop {
                match &*state.borrow_and_update() {
                    BusState::Ready => component.ready(),
                    BusState::Away(reason) => component.not_ready(format!("away: {reason}")),
                    BusState::Blocked(reason) => component.not_ready(format!("blocked: {reason}")),
                    BusState::Closed => component.not_ready("closed"),
                }
                tokio::select! {
                    changed = state.changed() => if changed.is_err() { return Ok(()) },
                    () = shutdown.requested() => return Ok(()),
                }
            }
        });
    }

    /// Readiness follows the ledger.
    pub(super) fn watch_ledger(&self, ledger: &Arc<dyn Ledger>) {
        let component = self.health.component("ledger");
        let (ledger, clock, shutdown) =
            (Arc::clone(ledger), Arc::clone(&self.environment.clock), self.tasks.shutdown().clone());
        self.tasks.spawn("watch ledger", OnEnd::Helper, async move {
            loop {
                match ledger.ping().await {
                    Ok(()) => component.ready(),
                    Err(error) => component.not_ready(protocol::chain(&error)),
                }
                tokio::select! {
                    () = clock.sleep(LEDGER_INTERVAL) => {}
                    () = shutdown.requested() => return Ok(()),
                }
            }
        });
    }
}
