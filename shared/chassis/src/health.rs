//! Whether the process can do its work now, part by part.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::shutdown::Shutdown;

/// The readiness of a process: ready while every component is and no shutdown is announced. Clones are the same one.
///
/// Components are registered before the admin listener serves, so that "ready" is never said too early.
#[derive(Clone, Debug, Default)]
pub struct Health {
    components: Arc<Mutex<BTreeMap<Cow<'static, str>, State>>>,
    shutdown: Shutdown,
}

/// What one part of a process says about itself.
#[derive(Clone, Debug)]
pub struct Component {
    name: Cow<'static, str>,
    health: Health,
}

/// The readiness of a process at one moment, as `/readyz` writes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Whether it takes work.
    pub ready: bool,
    /// Whether it is about to stop.
    pub stopping: bool,
    /// Every component by its name.
    pub components: BTreeMap<Cow<'static, str>, State>,
}

/// The readiness of one component.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct State {
    /// Whether it can do its part.
    pub ready: bool,
    /// Why it cannot; or what is amiss although it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

impl Health {
    /// No components yet; not ready once `shutdown` is announced. (`default()` is never asked to stop.)
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { components: Arc::default(), shutdown }
    }

    /// Registers a component. It is not ready until it says so; one of the same name is the same component.
    #[must_use]
    pub fn component(&self, name: impl Into<Cow<'static, str>>) -> Component {
        let component = Component { name: name.into(), health: self.clone() };
        component.not_ready("starting");
        component
    }

    /// Everything at this moment.
    #[must_use]
    pub fn report(&self) -> Report {
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stopping = self.shutdown.is_announced();
        Report { ready: !stopping && components.values().all(|state| state.ready), stopping, components }
    }
}

impl Component {
    /// It can do its part.
    pub fn ready(&self) {
        self.set(State { ready: true, reason: None });
    }

    /// It can do its part, though something is amiss, of which is shown what [`Component::not_ready`] may show.
    pub fn ready_though(&self, reason: impl Into<Cow<'static, str>>) {
        self.set(State { ready: true, reason: Some(reason.into()) });
    }

    /// It cannot, for this reason. The reason is shown to whoever asks: no secret, no address of a person.
    pub fn not_ready(&self, reason: impl Into<Cow<'static, str>>) {
        self.set(State { ready: false, reason: Some(reason.into()) });
    }

    fn set(&self, state: State) {
        self.health.components.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name.clone(), state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_parts_are_until_it_is_asked_to_stop() {
        let shutdown = Shutdown::new();
        let health = Health::new(shutdown.clone());
        assert!(health.report().ready);
        let (bus, store) = (health.component("bus"), health.component("store"));
        assert_eq!(health.report().components["bus"].reason.as_deref(), Some("starting"));
        bus.ready();
        assert!(!health.report().ready);
        store.ready();
        assert!(health.report().ready);
        bus.not_ready("connection lost");
        let report = health.report();
        assert!(!report.ready && report.components["store"].ready);
        assert_eq!(report.components["bus"].reason.as_deref(), Some("connection lost"));
        bus.ready_though("spooling");
        let report = health.report();
        assert!(report.ready && report.components["bus"].reason.as_deref() == Some("spooling"));
        bus.ready();
        shutdown.announce();
        let report = health.report();
        assert!(!report.ready && report.stopping && report.components.values().all(|state| state.ready));
    }
}
