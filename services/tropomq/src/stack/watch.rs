//! Tells the readiness of a process what the bus says of itself.

use std::sync::Arc;

use chassis::health::Component;
use chassis::tasks::OnEnd;
use messaging::{Bus, BusState};

use super::Running;

impl Running {
    /// Readiness follows the bus, unless the process only looks.
    pub(super) fn watch_bus(&self, bus: &Arc<dyn Bus>) {
        let component = self.health.component("bus");
        let only_looks = self.only_looks;
        let (mut state, shutdown) = (bus.state(), self.tasks.shutdown().clone());
        self.tasks.spawn("watch bus", OnEnd::Helper, async move {
            loop {
                match &*state.borrow_and_update() {
                    BusState::Ready => component.ready(),
                    BusState::Away(reason) => away(&component, only_looks, format!("away: {reason}")),
                    BusState::Blocked(reason) => away(&component, only_looks, format!("blocked: {reason}")),
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

/// Something is away: a process that only looks tells that, and is ready.
pub(super) fn away(component: &Component, only_looks: bool, told: String) {
    if only_looks {
        component.ready_though(told);
    } else {
        component.not_ready(told);
    }
}
