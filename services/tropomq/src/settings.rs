//! The configuration of the whole stack, and its parts checked.

mod backend;
mod ticket;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chassis::config::{self, ConfigError, Edition, Layers};
use chassis::telemetry::TelemetryConfig;
use messaging::BusUrl;
use protocol::topology::{JOURNAL_AGE_MAX, Lane, Topology};
use protocol::{Address, BackendName};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use simulator::{Simulator, SimulatorError};
use url::Url;

use crate::stack::{Services, Source};

pub(crate) use backend::{Backend, Backends};
pub(crate) use ticket::Ticket;

/// The defaults, and the reference of every key.
pub(crate) const DEFAULTS: &str = include_str!("default.toml");

/// The shortest wait that makes sense anywhere.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// The least that the journal keeps.
const JOURNAL_BYTES_MIN: usize = 16 << 20;

/// The file that is read where none is named and this one exists.
pub(crate) const USUAL_FILE: &str = "tropomq.toml";

/// The configuration of the whole stack; each service reads its part.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) ticket: Ticket,
    pub(crate) admin: Admin,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) backends: Backends,
    pub(crate) ingress: ingress::Config,
    pub(crate) router: router::Config,
    pub(crate) egress: egress::Config,
    pub(crate) journal: journal::Config,
    pub(crate) console: console::Config,
    pub(crate) simulator: simulator::Config,
}

/// `[bus]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bus {
    pub(crate) url: BusUrl,
    #[serde(with = "chassis::config::duration")]
    pub(crate) drain: Duration,
    /// Secret, for it may hold a password.
    #[serde(default)]
    pub(crate) management: Option<SecretString>,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// Secret, for it may hold a password.
    pub(crate) url: SecretString,
    pub(crate) connections_max: usize,
    pub(crate) single_egress: bool,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    #[serde(with = "chassis::config::duration")]
    pub(crate) stop_delay: Duration,
}

impl Settings {
    /// Reads the defaults, the file and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and the layer.
    pub(crate) fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        Ok(Self::load_edition(file)?.0)
    }

    /// As [`Settings::load`], with what is needed to read it again and compare.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub(crate) fn load_edition(file: Option<PathBuf>) -> Result<(Self, Source), ConfigError> {
        let usual = || Some(PathBuf::from(USUAL_FILE)).filter(|file| file.exists());
        let file = file.or_else(usual);
        let (settings, edition) = config::load_edition(Layers::of_process(DEFAULTS, file.clone())?)?;
        Ok((settings, Source { file, edition }))
    }

    /// The defaults and the environment, with the edition of that.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub(crate) fn without_file() -> Result<(Self, Edition), ConfigError> {
        config::load_edition(Layers::of_process(DEFAULTS, None)?)
    }

    /// The defaults alone, for the demo: what stands in files and variables is for real work.
    pub(crate) fn defaults() -> Result<Self, ConfigError> {
        config::load(Layers { defaults: DEFAULTS, file: None, environment: Vec::new() })
    }

    /// The topology with a lane for each backend, and a queue for each application on the bus.
    pub(crate) fn topology(&self) -> Topology {
        let lane = |(name, backend): (&BackendName, &Backend)| Lane {
            backend: name.clone(),
            single_active_consumer: backend.rate.is_some(),
        };
        let lanes: Vec<_> = self.backends.iter().map(lane).collect();
        Topology::new(&lanes).with_applications(self.router.amqp.keys())
    }

    /// The numbers of the backends.
    pub(crate) fn own_numbers(&self) -> BTreeSet<Address> {
        self.backends.values().map(|backend| backend.number.clone()).collect()
    }

    /// The backend of the flow probe.
    pub(crate) fn probed(&self) -> Option<(&BackendName, &Backend)> {
        self.backends.iter().find(|(_, backend)| backend.probe)
    }

    /// Finds what these services cannot do with this configuration.
    ///
    /// # Errors
    /// As [`Settings::check`].
    pub(crate) fn check_for(&self, services: Services) -> Result<(), ConfigError> {
        let sqlite = self.store.url.expose_secret().starts_with("sqlite:");
        if (services.router || services.egress || services.journal || services.console)
            && sqlite
            && matches!(self.bus.url, BusUrl::Amqp(_))
            && !self.store.single_egress
        {
            let told = "is SQLite, and the bus is RabbitMQ: a second egress with a ledger of its own would send messages \
                        twice, and a router with one of its own would not tell it who opted out. Set it to postgres://…, \
                        or set store.single_egress = true if there is and stays but one, with a disk that stays";
            return Err(ConfigError::of_key("store.url", told));
        }
        if services.ingress && !self.ingress.listen.ip().is_loopback() {
            let open = self.backends.iter().find(|(_, backend)| backend.is_open() && !backend.trust_anyone);
            if let Some((name, _)) = open {
                let told = "is not set, and ingress listens beyond this machine: anybody could have texts sent in your \
                            name. Set it (openssl rand -hex 16), or allow_from; or set trust_anyone = true if something \
                            in front of ingress keeps strangers out";
                return Err(ConfigError::of_key(format!("backends.{name}.webhook_secret"), told));
            }
        }
        Ok(())
    }

    /// Finds what no single key shows to be wrong.
    ///
    /// # Errors
    /// [`ConfigError`] names a key, and says how to mend it.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (name, backend) in &self.backends {
            backend.check(name)?;
        }
        if let Some((one, other)) = backend::same_variable(&self.backends) {
            let told = format!("is the same as backends.{other} in environment variables: rename one of them");
            return Err(ConfigError::of_key(format!("backends.{one}"), told));
        }
        if let Some((one, other)) = backend::both_for_the_probe(&self.backends) {
            let told = format!("is set for backends.{one}, too: the flow probe sends its texts through one");
            return Err(ConfigError::of_key(format!("backends.{other}.probe"), told));
        }
        router::check(&self.router).map_err(|error| ConfigError::of_key("router", error.to_string()))?;
        self.console.check().map_err(|error| ConfigError::of_key(format!("console.{}", error.key), error.told))?;
        let own_numbers = self.own_numbers();
        if let Some((key, _)) = self.router.recipients().find(|(_, recipient)| own_numbers.contains(recipient)) {
            return Err(ConfigError::of_key(key, "has the number of a backend: nobody reads what is sent there"));
        }
        if let (Some(name), BusUrl::Embedded(_)) = (self.router.amqp.keys().next(), &self.bus.url) {
            let told = "is an application on RabbitMQ, and bus.url is the embedded bus, which no other process can \
                        reach: set bus.url to amqp://…, or have the application asked over HTTP (router.http.NAME)";
            return Err(ConfigError::of_key(format!("router.amqp.{name}"), told));
        }
        for (name, project) in &self.router.rapidsms {
            let backend = project.backend(name);
            if !self.backends.contains_key(backend) {
                let told =
                    format!("is needed: there is no backend {backend}; name the one whose texts the project gets");
                return Err(ConfigError::of_key(format!("router.rapidsms.{name}.backend"), told));
            }
            let before = self.router.rapidsms.iter().take_while(|(other, _)| *other != name);
            if let Some((other, _)) = before.into_iter().find(|(other, project)| project.backend(other) == backend) {
                let told = format!(
                    "is that of router.rapidsms.{other}, too: a project takes all texts of its backend, so one of the two \
                     would never be asked"
                );
                return Err(ConfigError::of_key(format!("router.rapidsms.{name}.backend"), told));
            }
        }
        let positive = [
            ("egress.prefetch", u64::from(self.egress.prefetch)),
            ("router.prefetch", u64::from(self.router.prefetch)),
            ("journal.prefetch", u64::from(self.journal.prefetch)),
            ("store.connections_max", self.store.connections_max as u64),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::of_key(key, "must be at least 1: nothing would ever be handled"));
        }
        if self.egress.retention < self.egress.time_to_live {
            let told = "must not be less than egress.time_to_live: what is still to be sent has to be remembered";
            return Err(ConfigError::of_key("egress.retention", told));
        }
        if self.egress.retention < self.egress.result_timeout.saturating_mul(2) {
            let told = "must be at least twice egress.result_timeout: a release would be forgotten while its result may \
                        still come";
            return Err(ConfigError::of_key("egress.retention", told));
        }
        if self.egress.retention < self.console.retention {
            let told = "must not be more than egress.retention: whoever asked again with an old Idempotency-Key would have \
                        a message sent twice";
            return Err(ConfigError::of_key("console.retention", told));
        }
        if self.journal.retention < JOURNAL_AGE_MAX {
            let told = "must be at least 168h: an event may wait for the journal for seven days, and about what is \
                        forgotten by then it would count twice";
            return Err(ConfigError::of_key("journal.retention", told));
        }
        if self.journal.bytes_max < JOURNAL_BYTES_MIN {
            let told = "must be at least 16MiB: of what is forgotten sooner nobody would ever know what became of it";
            return Err(ConfigError::of_key("journal.bytes_max", told));
        }
        if self.router.retention < JOURNAL_AGE_MAX {
            let told =
                "must be at least 168h: a dialogue would be forgotten while its next text may still be on a queue";
            return Err(ConfigError::of_key("router.retention", told));
        }
        if let Err(error) = store::check_url(self.store.url.expose_secret()) {
            return Err(ConfigError::of_key("store.url", error.to_string()));
        }
        if let Err(SimulatorError::Application { name, source }) = Simulator::check(&self.simulator) {
            return Err(ConfigError::of_key(format!("simulator.applications.{name}"), source.to_string()));
        }
        if let Some(account) = &self.simulator.provisioning
            && account.password.expose_secret().is_empty()
        {
            let told = "must not be empty: leave out simulator.provisioning for an interface that is open to anybody";
            return Err(ConfigError::of_key("simulator.provisioning.password", told));
        }
        let listeners = [
            ("ingress.listen", self.ingress.listen),
            ("router.listen", self.router.listen),
            ("egress.listen", self.egress.listen),
            ("console.listen", self.console.listen),
            ("simulator.listen", self.simulator.listen),
            ("admin.listen", self.admin.listen),
        ];
        for (at, (key, address)) in listeners.into_iter().enumerate() {
            let same = listeners.iter().take(at).find(|(_, other)| *other == address && address.port() != 0);
            if let Some((other, _)) = same {
                return Err(ConfigError::of_key(
                    key,
                    format!("is the same as {other}: give each an address of its own"),
                ));
            }
        }
        let waits = [
            ("egress.reconcile_interval", self.egress.reconcile_interval),
            ("egress.retry.first", self.egress.retry.first),
            ("egress.callback_timeout", self.egress.callback_timeout),
            ("egress.request_timeout", self.egress.request_timeout),
            ("ingress.confirm_timeout", self.ingress.confirm_timeout),
            ("ingress.spool.confirm_timeout", self.ingress.spool.confirm_timeout),
            ("ingress.forward_timeout", self.ingress.forward_timeout),
        ];
        if let Some((key, _)) = waits.into_iter().find(|(_, wait)| *wait < SHORTEST_WAIT) {
            return Err(ConfigError::of_key(key, "must be at least 10ms: anything shorter would only spin"));
        }
        self.check_spool()?;
        if let Some(url) = &self.bus.management
            && !Url::parse(url.expose_secret()).is_ok_and(|url| is_http(&url))
        {
            let told = "must be an http or https address, as in http://user:password@rabbitmq:15672";
            return Err(ConfigError::of_key("bus.management", told));
        }
        for (key, url) in [("egress.session_api", &self.egress.session_api), ("ingress.egress", &self.ingress.egress)] {
            if !is_http(url) {
                return Err(ConfigError::of_key(key, "must be an http or https address, as in http://127.0.0.1:8081"));
            }
        }
        Ok(())
    }

    /// A webhook may wait for the bus twice: until it is held no longer, and for its confirm.
    fn check_spool(&self) -> Result<(), ConfigError> {
        let spool = &self.ingress.spool;
        if spool.bytes_max == 0 {
            return Ok(());
        }
        if self.ingress.confirm_timeout <= spool.confirm_timeout.saturating_mul(2) {
            let told = "must be less than half of ingress.confirm_timeout: a webhook would be refused before its event is \
                        in the spool";
            return Err(ConfigError::of_key("ingress.spool.confirm_timeout", told));
        }
        if spool.age_max.is_zero() {
            let told = "must be more than 0s: the spool would take one event and no more. For no spool, set \
                        ingress.spool.bytes_max = \"0B\"";
            return Err(ConfigError::of_key("ingress.spool.age_max", told));
        }
        Ok(())
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

#[cfg(test)]
mod tests;
