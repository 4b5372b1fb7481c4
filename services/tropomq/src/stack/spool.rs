//! Opens the spool of ingress, and tells the readiness of a process that has one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::tasks::{OnEnd, Tasks};
use futures::FutureExt;
use messaging::spool::{self, Opened, Spool, Status};
use messaging::{Bus, BusState, BusUrl};

use super::Running;

/// How often the spool is asked how it is.
const INTERVAL: Duration = Duration::from_secs(1);

impl Running {
    /// The spool before the bus; `None` where the configuration wants none, and for the embedded bus, which is a file on
    /// this machine itself. It is passed on for as long as the bus's tasks run, so until nothing listens any more.
    ///
    /// # Errors
    /// The directory cannot be used, is in use, or holds something else.
    pub(super) fn open_spool(&self, bus: &Arc<dyn Bus>, tasks: &Tasks) -> anyhow::Result<Option<Arc<Spool>>> {
        let settings = match self.settings.bus.url {
            BusUrl::Amqp(_) => self.settings.ingress.spool.settings(),
            BusUrl::Embedded(_) => None,
        };
        let Some(settings) = settings else { return Ok(None) };
        let token = tasks.shutdown().token().clone();
        let Opened { spool, driver } = spool::open(&settings, Arc::clone(bus), self.environment.clone(), token)
            .context("open the spool of ingress (configuration key ingress.spool.path)")?;
        tasks.spawn("spool", OnEnd::Essential, driver.map(Ok));
        Ok(Some(spool))
    }

    /// A process with a spool takes texts while the bus is away: it is ready, and says what is amiss. It is not ready
    /// when the spool takes no more either.
    pub(super) fn watch_spool(&self, spool: &Arc<Spool>) {
        let (bus, component) = (self.health.component("bus"), self.health.component("spool"));
        let (mut state, spool, clock) = (spool.state(), Arc::clone(spool), Arc::clone(&self.environment.clock));
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn("watch spool", OnEnd::Helper, async move {
            loop {
                match &*state.borrow_and_update() {
                    BusState::Ready => bus.ready(),
                    BusState::Away(reason) => bus.ready_though(format!("away: {reason}")),
                    BusState::Blocked(reason) => bus.ready_though(format!("blocked: {reason}")),
                    BusState::Closed => bus.not_ready("closed"),
                }
                let status = spool.status();
                match (told(&status), status.is_ready) {
                    (None, true) => component.ready(),
                    (Some(told), true) => component.ready_though(told),
                    (told, false) => component.not_ready(told.unwrap_or_default()),
                }
                tokio::select! {
                    biased;
                    () = shutdown.requested() => return Ok(()),
                    Ok(()) = state.changed() => {}
                    () = clock.sleep(INTERVAL) => {}
                }
            }
        });
    }
}

/// What is amiss with the spool.
fn told(Status { messages, age, refusal, .. }: &Status) -> Option<String> {
    let spooling = (0 < *messages).then(|| {
        let seconds = age.unwrap_or_default().as_secs();
        format!("spooling: {messages} events wait for the bus, the oldest for {seconds} s")
    });
    match (refusal, spooling) {
        (Some(refusal), Some(spooling)) => Some(format!("{refusal}; {spooling}")),
        (refusal, spooling) => refusal.clone().or(spooling),
    }
}
