//! What is measured: tropomq's services as processes, or the ceiling program, on servers of the benchmark's own.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parts::Usage;
use serde_json::{Map, json};

use super::growth::Growth;
use crate::rig::{Places, Servers, Service, blocking};

/// The one backend.
pub(super) const BACKEND: &str = "bench";

/// How long a process may take to be ready, which with thousands of backends is minutes, and to stop.
const START_MAX: Duration = Duration::from_mins(10);
const STOP_MAX: Duration = Duration::from_secs(60);

/// How long between two questions whether a process is ready.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Where the load and what is measured meet.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) webhooks: String,
    pub(super) sessions: SocketAddr,
    pub(super) token: String,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    /// Ingress, router and egress, and the journal too if wanted, on RabbitMQ and PostgreSQL.
    Services { journal: bool },
    /// Ingress on RabbitMQ, and nothing behind it.
    Ingress,
    /// Everything in one process, on the embedded bus.
    OneProcess,
    /// The ceiling program; it publishes as many messages as tropomq if it tells.
    Ceiling { tells: bool },
    /// Its door, and nothing behind it.
    CeilingDoor,
}

/// Processes that are measured. Dropped, they end.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) target: Target,
    pub(super) subject: Subject,
    services: Vec<Service>,
    http: reqwest::Client,
}

impl Subject {
    /// The names of its processes, in the order of their start.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Services { journal: false } => &["ingress", "router", "egress"],
            Self::Services { journal: true } => &["ingress", "router", "egress", "journal"],
            Self::Ingress => &["ingress"],
            Self::OneProcess => &["up"],
            Self::Ceiling { .. } | Self::CeilingDoor => &["ceiling"],
        }
    }

    /// Whether it is tropomq as a whole, which learns what became of each message.
    pub(super) fn tells_results(self) -> bool {
        matches!(self, Self::Services { .. } | Self::OneProcess)
    }

    /// Its processes, each with the number of the replica that it is: what works on queues may be there several times.
    fn processes(self, replicas: u16) -> impl Iterator<Item = (&'static str, u16)> {
        let replicas = move |name| if matches!(name, "router" | "egress") { replicas } else { 1 };
        self.names().iter().flat_map(move |name| (0..replicas(*name)).map(|replica| (*name, replica)))
    }

    /// The virtual host that it has to itself.
    pub(super) fn vhost(self) -> &'static str {
        match self {
            Self::Services { .. } | Self::OneProcess => "tropomq",
            Self::Ingress => "ingress",
            Self::Ceiling { tells: false } => "ceiling",
            Self::Ceiling { tells: true } => "ceiling-tells",
            Self::CeilingDoor => "ceiling-door",
        }
    }
}

impl Stage {
    /// Starts the processes and waits until each is ready.
    ///
    /// # Errors
    /// One could not be started, or was not ready in time.
    pub(super) async fn start(
        subject: Subject,
        servers: Option<&Servers>,
        folder: &Path,
        http: reqwest::Client,
        growth: &Growth,
    ) -> anyhow::Result<Self> {
        let places = Places::new();
        let folder = folder.join(subject.vhost());
        fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let token = format!("{:032x}", u128::from(std::process::id()) << 64 | 0x0be4c);
        let target = Target {
            webhooks: format!("http://{}/tropo/{BACKEND}/{token}", places.ingress()),
            sessions: places.simulator(),
            token,
        };
        if let Some(servers) = servers {
            blocking(|| servers.broker.add_vhost(subject.vhost()))?;
        }
        let parts = Parts { subject, servers, places, folder: &folder, target: &target };
        let mut services = Vec::new();
        for (ordinal, (name, replica)) in (0..).zip(subject.processes(growth.replicas)) {
            let own = folder.join(replica.to_string());
            fs::create_dir_all(&own).with_context(|| format!("make the folder {}", own.display()))?;
            let (admin, text) = match subject {
                Subject::Ceiling { .. } | Subject::CeilingDoor => (places.ingress(), parts.ceiling()?),
                _ => (places.admin(ordinal), parts.settings(name, ordinal, replica, growth.backends)?),
            };
            fs::write(own.join(format!("{name}.toml")), text).context("write a configuration")?;
            services.push(Service::new(name, &own, admin)?);
        }
        growth.fill(&parts.store()).await?;
        let mut stage = Self { target, subject, services, http };
        stage.start_each().await?;
        Ok(stage)
    }

    /// Starts one after the other, and tells how long each took until it was ready.
    async fn start_each(&mut self) -> anyhow::Result<BTreeMap<String, f64>> {
        self.start_those(|_| true).await
    }

    async fn start_those(&mut self, wanted: impl Fn(&str) -> bool) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut took = BTreeMap::new();
        for service in self.services.iter_mut().filter(|service| wanted(service.name())) {
            let began = Instant::now();
            service.start()?;
            while !service.is_ready(&self.http).await {
                if !service.part().is_running() || START_MAX < began.elapsed() {
                    bail!("{} did not start; it said last:\n{}", service.name(), service.part().output_tail());
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            took.insert(service.name().to_owned(), began.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(took)
    }

    /// Stops all, starts them again, and tells how many milliseconds each took from its start until it was ready. What
    /// they need on the broker and in the database is there by now.
    ///
    /// # Errors
    /// One does not stop, or not start.
    pub(super) async fn restart(&mut self) -> anyhow::Result<BTreeMap<String, f64>> {
        self.stop()?;
        self.start_each().await
    }

    /// Stops all.
    ///
    /// # Errors
    /// One did not end well.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        self.services.iter_mut().try_for_each(|service| service.stop(STOP_MAX))
    }

    /// Stops all replicas of a service.
    ///
    /// # Errors
    /// One did not end well.
    pub(super) fn stop_named(&mut self, name: &str) -> anyhow::Result<()> {
        let mut replicas = self.services.iter_mut().filter(|service| service.name() == name);
        replicas.try_for_each(|service| service.stop(STOP_MAX))
    }

    /// Starts all replicas of a service.
    ///
    /// # Errors
    /// One does not start.
    pub(super) async fn start_named(&mut self, name: &str) -> anyhow::Result<()> {
        self.start_those(|other| other == name).await.map(drop)
    }

    /// What each service used, all its replicas together.
    pub(super) fn usage(&self) -> BTreeMap<String, Usage> {
        let mut usage = BTreeMap::<_, Usage>::new();
        for service in &self.services {
            let used = usage.entry(service.name().to_owned()).or_default();
            *used = *used + service.usage();
        }
        usage
    }

    /// The sum of a counter over all labels and replicas, for each service that has it.
    pub(super) async fn counted(&self, metric: &str) -> BTreeMap<String, f64> {
        let mut counted = BTreeMap::new();
        for service in &self.services {
            let told = service.metrics(&self.http).await.unwrap_or_default();
            let values = told.lines().filter(|line| line.starts_with(metric));
            for value in values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()) {
                *counted.entry(service.name().to_owned()).or_default() += value;
            }
        }
        counted
    }
}

/// What a configuration is made of.
struct Parts<'a> {
    subject: Subject,
    servers: Option<&'a Servers>,
    places: Places,
    folder: &'a Path,
    target: &'a Target,
}

impl Parts<'_> {
    fn bus(&self) -> String {
        match self.servers {
            Some(servers) => servers.broker.url_for_vhost(self.subject.vhost()),
            None => format!("embedded:{}", self.folder.join("bus").display()),
        }
    }

    fn store(&self) -> String {
        match self.servers {
            Some(servers) => servers.store(),
            None => format!("sqlite:{}", self.folder.join("ledger.db").display()),
        }
    }

    fn settings(&self, name: &str, ordinal: u16, replica: u16, backends: u32) -> anyhow::Result<String> {
        let Self { places, target, .. } = self;
        let backend =
            |number: &str| json!({ "messaging_token": target.token, "number": number, "webhook_secret": target.token });
        let others = (1..backends).map(|other| (format!("other-{other}"), backend(&format!("+1555{other:07}"))));
        let all: Map<_, _> =
            std::iter::once((BACKEND.to_owned(), backend(super::load::NUMBER))).chain(others).collect();
        // Where ingress looks for egress is the first of them: any replica has what another one waits for told by the ledger.
        let listen = |service: &str, first: SocketAddr| match replica {
            1.. if service == name => places.spare(ordinal),
            _ => first,
        };
        let settings = json!({
            "bus": { "url": self.bus() },
            "store": { "url": self.store() },
            "admin": { "listen": places.admin(ordinal), "stop_delay": "0s" },
            "ticket": { "keys": { "bench": target.token } },
            "backends": all,
            "ingress": {
                "listen": places.ingress(),
                "egress": format!("http://{}", places.egress()),
                "spool": { "path": self.folder.join("spool") },
            },
            "router": { "listen": listen("router", places.router()) },
            "egress": {
                "listen": listen("egress", places.egress()),
                "session_api": format!("http://{}/1.0/sessions", target.sessions),
            },
            "console": { "listen": places.console() },
        });
        toml::to_string(&settings).context("write a configuration")
    }

    fn ceiling(&self) -> anyhow::Result<String> {
        let servers = self.servers.context("the ceiling needs servers")?;
        let config = ::ceiling::Config {
            bus: self.bus(),
            store: servers.database.url(),
            listen: self.places.ingress(),
            sessions: format!("http://{}/1.0/sessions", self.target.sessions),
            token: self.target.token.clone(),
            only_door: self.subject == Subject::CeilingDoor,
            tells: self.subject == Subject::Ceiling { tells: true },
        };
        toml::to_string(&config).context("write the configuration of the ceiling")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn every_replica_has_a_configuration_that_is_good_and_an_address_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new();
        let target = Target { webhooks: String::new(), sessions: places.simulator(), token: format!("{:032x}", 1) };
        let subject = Subject::Services { journal: true };
        let parts = Parts { subject, servers: None, places, folder: folder.path(), target: &target };
        let mut addresses = BTreeSet::new();
        let processes: Vec<_> = subject.processes(4).collect();
        assert_eq!(processes.len(), 1 + 4 + 4 + 1);
        for (ordinal, (name, replica)) in (0..).zip(&processes) {
            let file = folder.path().join("part.toml");
            fs::write(&file, parts.settings(name, ordinal, *replica, 3).unwrap()).unwrap();
            let settings = Settings::load(Some(file)).unwrap();
            settings.check().unwrap();
            assert_eq!(settings.backends.len(), 3);
            let own = match *name {
                "ingress" => settings.ingress.listen,
                "router" => settings.router.listen,
                "egress" => settings.egress.listen,
                _ => settings.console.listen,
            };
            assert!(addresses.insert(own) && addresses.insert(settings.admin.listen), "{name} {replica}");
        }
    }
}
