//! Tells the readiness of a process what the bus says of itself.

use std::sync::Arc;

use chassis::tasks::OnEnd;
use messaging::{Bus, BusState};

use super::Running;

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
}
