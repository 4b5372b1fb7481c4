//! The parts of a drill: the services as processes of this very executable, their servers, and the links between them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use parts::{Part, PartError, Postgres, Proxy, RabbitMq};
use reqwest::StatusCode;

use super::config::{Common, Places};
use super::plan::{Shape, Wire};
use super::tropo::Tropo;

/// The virtual host of a drill.
pub(super) const VHOST: &str = "drill";

/// How long a service may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(30);

/// The longest wait for a service to say whether it is ready, or what it counts.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A process of the product.
#[derive(Debug)]
pub(super) struct Service {
    part: Part,
    admin: SocketAddr,
}

/// The servers that the services need, where they need any.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) broker: RabbitMq,
    pub(super) database: Postgres,
}

/// The ways between the parts, by what they are between: each can be cut, held or reset.
#[derive(Debug)]
struct Links {
    webhooks: Proxy,
    call_backs: Proxy,
    sessions: Proxy,
    /// To the servers.
    broker: Option<Proxy>,
    ledger: Option<Proxy>,
}

/// Everything that runs. Dropping it ends all of it.
#[derive(Debug)]
pub(super) struct Stage {
    /// The simulator first; then the product, in the order of a rolling restart.
    services: Vec<Service>,
    links: Links,
    pub(super) servers: Option<Servers>,
    pub(super) tropo: Tropo,
    /// The bus and the ledger, not through a link.
    pub(super) bus: String,
    pub(super) store: String,
    http: reqwest::Client,
    folder: PathBuf,
}

/// Runs what blocks, on a thread that may.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

impl Servers {
    /// Starts both at once; takes 5 to 30 s.
    ///
    /// # Errors
    /// [`PartError::Missing`] names what to install.
    pub(super) fn start() -> Result<Self, PartError> {
        let (broker, database) = std::thread::scope(|scope| {
            let broker = scope.spawn(RabbitMq::start);
            let database = Postgres::start();
            (broker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), database)
        });
        let (broker, database) = (broker?, database?);
        broker.add_vhost(VHOST)?;
        Ok(Self { broker, database })
    }
}

impl Stage {
    /// Starts the parts; nothing waits until they are ready.
    ///
    /// # Errors
    /// What could not be started, and why.
    pub(super) fn start(
        servers: Option<Servers>,
        folder: &Path,
        secret: String,
        http: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let places = Places::new();
        let (bus, store) = urls(servers.as_ref(), folder, None);
        let links = Links::new(places, servers.as_ref())?;
        let through = links.broker.as_ref().zip(links.ledger.as_ref());
        let (linked_bus, linked_store) = urls(servers.as_ref(), folder, through);
        let common = Common {
            places,
            bus: linked_bus,
            store: linked_store,
            webhooks: links.webhooks.address(),
            call_backs: links.call_backs.address(),
            sessions: links.sessions.address(),
            secret,
        };
        let shape = if servers.is_some() { Shape::Services } else { Shape::OneProcess };
        let mut stage = Self {
            services: Vec::new(),
            links,
            servers,
            tropo: Tropo::new(http.clone(), places.simulator()),
            bus,
            store,
            http,
            folder: folder.to_owned(),
        };
        for (ordinal, name) in (0..).zip(names(shape)) {
            common.write(folder, name, ordinal)?;
            let part = blocking(|| Part::in_folder(name, folder.to_owned()))?;
            stage.services.push(Service { part, admin: places.admin(ordinal) });
            stage.start_service(name)?;
        }
        Ok(stage)
    }

    pub(super) fn link(&self, wire: Wire) -> anyhow::Result<&Proxy> {
        let Links { webhooks, call_backs, sessions, broker, ledger } = &self.links;
        let link = match wire {
            Wire::Webhooks => Some(webhooks),
            Wire::CallBacks => Some(call_backs),
            Wire::Sessions => Some(sessions),
            Wire::Broker => broker.as_ref(),
            Wire::Ledger => ledger.as_ref(),
        };
        link.with_context(|| format!("this drill has no link {wire:?}"))
    }

    pub(super) fn servers(&mut self) -> anyhow::Result<&mut Servers> {
        self.servers.as_mut().context("this drill has no servers")
    }

    /// A process, by its subcommand.
    pub(super) fn service(&mut self, name: &str) -> anyhow::Result<&mut Part> {
        let found = self.services.iter_mut().find(|service| service.part.name() == name);
        found.map(|service| &mut service.part).with_context(|| format!("this drill has no {name}"))
    }

    /// The processes of the product, in the order of a rolling restart.
    pub(super) fn product(&self) -> Vec<&'static str> {
        self.services.iter().map(|service| service.part.name()).filter(|name| *name != "simulator").collect()
    }

    /// Starts a process that does not run.
    ///
    /// # Errors
    /// The executable cannot be run.
    pub(super) fn start_service(&mut self, name: &'static str) -> anyhow::Result<()> {
        let command = command(name, &self.folder)?;
        let part = self.service(name)?;
        blocking(|| part.launch(command)).with_context(|| format!("start {name}"))
    }

    /// Asks a process to stop, and waits for its end.
    ///
    /// # Errors
    /// It did not stop in time, or not cleanly.
    pub(super) fn stop_service(&mut self, name: &'static str) -> anyhow::Result<()> {
        let part = self.service(name)?;
        if !blocking(|| part.terminate(STOP_MAX))? {
            anyhow::bail!("{name} was asked to stop, and did not end well within {STOP_MAX:?}");
        }
        Ok(())
    }

    /// The processes that have ended by themselves.
    pub(super) fn ended(&mut self) -> Vec<&'static str> {
        self.services
            .iter_mut()
            .filter_map(|Service { part, .. }| (!part.is_running()).then_some(part.name()))
            .collect()
    }

    /// The processes that do not say that they are ready.
    pub(super) async fn not_ready(&self) -> Vec<&'static str> {
        let ask = |service: &Service| {
            let request = self.http.get(format!("http://{}/readyz", service.admin)).timeout(ANSWER_MAX);
            let name = service.part.name();
            async move {
                request.send().await.is_ok_and(|answer| answer.status() == StatusCode::OK).then_some(()).ok_or(name)
            }
        };
        let asked = futures::future::join_all(self.services.iter().map(ask)).await;
        asked.into_iter().filter_map(Result::err).collect()
    }

    /// What a process counts, as Prometheus reads it; `None` where it does not answer.
    pub(super) async fn metrics(&self, name: &str) -> Option<String> {
        let Service { admin, .. } = self.services.iter().find(|service| service.part.name() == name)?;
        let request = self.http.get(format!("http://{admin}/metrics")).timeout(ANSWER_MAX);
        request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    }

    /// Copies what the servers logged into the folder, for whoever looks into a failure.
    pub(super) fn keep_logs(&self) {
        let Some(Servers { broker, database }) = &self.servers else { return };
        for (log, name) in [(broker.log(), "rabbitmq.log"), (database.log(), "postgres.log")] {
            // A log that cannot be had is missing there, and that is all.
            let _copied = std::fs::copy(log, self.folder.join(name));
        }
    }
}

impl Links {
    fn new(places: Places, servers: Option<&Servers>) -> anyhow::Result<Self> {
        let link = |name, ordinal, target| {
            Proxy::start_at(places.link(ordinal), target).with_context(|| format!("make the link {name}"))
        };
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (mut broker, mut ledger) = (None, None);
        if let Some(servers) = servers {
            broker = Some(link("broker", 3, local(servers.broker.port()))?);
            ledger = Some(link("ledger", 4, local(servers.database.port()))?);
        }
        Ok(Self {
            webhooks: link("webhooks", 0, places.ingress())?,
            call_backs: link("call-backs", 1, places.egress())?,
            sessions: link("sessions", 2, places.simulator())?,
            broker,
            ledger,
        })
    }
}

/// The URLs of bus and ledger, through links where there are any.
fn urls(servers: Option<&Servers>, folder: &Path, through: Option<(&Proxy, &Proxy)>) -> (String, String) {
    let Some(Servers { broker, database }) = servers else {
        let path = |name: &str| folder.join(name).display().to_string();
        return (format!("embedded:{}", path("bus")), format!("sqlite:{}", path("ledger.db")));
    };
    let linked = |url: String, port: u16, link: Option<&Proxy>| match link {
        Some(link) => url.replace(&format!("127.0.0.1:{port}"), &link.address().to_string()),
        None => url,
    };
    let bus = linked(broker.url_for_vhost(VHOST), broker.port(), through.map(|(broker, _)| broker));
    let store = linked(database.url(), database.port(), through.map(|(_, ledger)| ledger));
    (bus, format!("{store}?sslmode=disable"))
}

fn names(shape: Shape) -> &'static [&'static str] {
    match shape {
        Shape::Services => &["simulator", "ingress", "router", "egress"],
        Shape::OneProcess => &["simulator", "up"],
    }
}

/// This executable as a service, without what is in the environment for others.
fn command(name: &str, folder: &Path) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("find this executable")?;
    let mut command = Command::new(own);
    command.current_dir(folder).args([name, "--config"]).arg(folder.join(format!("{name}.toml")));
    for (variable, _) in std::env::vars_os() {
        if ["TROPOMQ_", "OTEL_"].iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    Ok(command)
}
