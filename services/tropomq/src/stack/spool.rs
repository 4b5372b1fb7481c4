//! Opens the spool of ingress, and tells the readiness of a process that has one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::tasks::{OnEnd, Tasks};
use futures::FutureExt;
use messaging::spool::{self, OpenError, Opened, Spool, Status};
use messaging::{Bus, BusState, BusUrl};
use tracing::warn;

use super::{Running, Services};

/// How often the spool is asked how it is.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where the spool is, for errors.
const KEY: &str = "open the spool of ingress (configuration key ingress.spool.path)";

impl Running {
    /// The spool before the bus; `None` where the configuration wants none, and for the embedded bus, which is a file on
    /// this machine itself. It is passed on for as long as the bus's tasks run, so until nothing listens any more.
    ///
    /// What an earlier configuration left in it is passed on all the same.
    ///
    /// # Errors
    /// The directory cannot be used, is in use, or holds something else; or the bus is embedded, and the spool holds
    /// what was taken for another bus.
    pub(super) fn open_spool(&self, bus: &Arc<dyn Bus>, tasks: &Tasks) -> anyhow::Result<Option<Arc<Spool>>> {
        let (config, is_embedded) =
            (&self.settings.ingress.spool, matches!(self.settings.bus.url, BusUrl::Embedded(_)));
        let settings = config.settings();
        if config.bytes_max == 0 || is_embedded {
            let left = match spool::left_in(&settings.path) {
                // Whoever has it passes it on.
                Err(OpenError::InUse { .. }) => 0,
                left => left.context(KEY)?,
            };
            if left == 0 {
                return Ok(None);
            }
            let place = settings.path.display();
            if is_embedded {
                bail!(
                    "the spool in {place} (configuration key ingress.spool.path) holds {left} events that ingress took \
                     for RabbitMQ, and bus.url is the embedded bus: start ingress with the bus.url from before until its \
                     log says that the spool is empty; or, if the events are not wanted, move the directory away"
                );
            }
            warn!(left, "there is to be no spool, and the one in {place} holds {left} events: they are passed on");
        }
        let token = tasks.shutdown().token().clone();
        let Opened { spool, driver } =
            spool::open(&settings, Arc::clone(bus), self.environment.clone(), token).context(KEY)?;
        tasks.spawn("spool", OnEnd::Essential, driver.map(Ok));
        // Where there is to be none, nothing goes to it, and nothing waits for it.
        Ok((0 < config.bytes_max).then_some(spool))
    }

    /// A process with a spool takes texts while the bus is away: it is ready, and says what is amiss; but where it has
    /// other services as well, which need the bus, it is ready when that is. It is not ready when the spool takes no
    /// more either.
    pub(super) fn watch_spool(&self, spool: &Arc<Spool>, services: Services) {
        if services != Services::INGRESS {
            let bus: Arc<dyn Bus> = Arc::clone(spool) as Arc<dyn Bus>;
            self.watch_bus(&bus);
        }
        let bus = (services == Services::INGRESS).then(|| self.health.component("bus"));
        let component = self.health.component("spool");
        let (mut state, spool, clock) = (spool.state(), Arc::clone(spool), Arc::clone(&self.environment.clock));
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn("watch spool", OnEnd::Helper, async move {
            loop {
                let known = state.borrow_and_update().clone();
                if let Some(bus) = &bus {
                    match known {
                        BusState::Ready => bus.ready(),
                        BusState::Away(reason) => bus.ready_though(format!("away: {reason}")),
                        BusState::Blocked(reason) => bus.ready_though(format!("blocked: {reason}")),
                        BusState::Closed => bus.not_ready("closed"),
                    }
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
fn told(Status { messages, aside, age, refusal, .. }: &Status) -> Option<String> {
    let spooling = (0 < *messages).then(|| {
        let seconds = age.unwrap_or_default().as_secs();
        format!("spooling: {messages} events wait for the bus, the oldest for {seconds} s")
    });
    let set_aside = (0 < *aside).then(|| format!("{aside} events are set aside: the bus does not take them"));
    let told: Vec<_> = [refusal.clone(), spooling, set_aside].into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_amiss_is_told_and_nothing_else() {
        let well = Status { messages: 0, aside: 0, age: None, refusal: None, is_ready: true };
        assert_eq!(told(&well), None);
        let waits = Status { messages: 3, aside: 2, age: Some(Duration::from_secs(7)), ..well.clone() };
        let words = "spooling: 3 events wait for the bus, the oldest for 7 s; 2 events are set aside: the bus does not \
                     take them";
        assert_eq!(told(&waits).as_deref(), Some(words));
        let full = Status { refusal: Some("full".to_owned()), is_ready: false, ..well };
        assert_eq!(told(&full).as_deref(), Some("full"));
    }
}
