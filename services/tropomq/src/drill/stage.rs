//! The parts of a drill: the services as processes of this very executable, their servers, and the links between them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use parts::Proxy;

use super::config::Common;
use super::plan::{Shape, Wire};
use super::tropo::Tropo;
use crate::rig::{Places, Servers, Service};

/// The virtual host of a drill.
pub(super) const VHOST: &str = "drill";

/// How long a service may take to stop when it is asked to.
pub(super) const STOP_MAX: Duration = Duration::from_secs(30);

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
            let mut service = Service::new(name, folder, places.admin(ordinal))?;
            service.start()?;
            stage.services.push(service);
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
    pub(super) fn service(&mut self, name: &str) -> anyhow::Result<&mut Service> {
        let found = self.services.iter_mut().find(|service| service.name() == name);
        found.with_context(|| format!("this drill has no {name}"))
    }

    /// The processes of the product, in the order of a rolling restart.
    pub(super) fn product(&self) -> Vec<&'static str> {
        self.services.iter().map(Service::name).filter(|name| *name != "simulator").collect()
    }

    /// The processes that have ended by themselves.
    pub(super) fn ended(&mut self) -> Vec<&'static str> {
        self.services
            .iter_mut()
            .filter_map(|service| (!service.part().is_running()).then_some(service.name()))
            .collect()
    }

    /// The processes that do not say that they are ready.
    pub(super) async fn not_ready(&self) -> Vec<&'static str> {
        let ask = async |service: &Service| match service.is_ready(&self.http).await {
            true => None,
            false => Some(service.name()),
        };
        let asked = futures::future::join_all(self.services.iter().map(ask)).await;
        asked.into_iter().flatten().collect()
    }

    /// What a process counts, as Prometheus reads it; `None` where it does not answer.
    pub(super) async fn metrics(&self, name: &str) -> Option<String> {
        self.services.iter().find(|service| service.name() == name)?.metrics(&self.http).await
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
    let Some(servers @ Servers { broker, database }) = servers else {
        let path = |name: &str| folder.join(name).display().to_string();
        return (format!("embedded:{}", path("bus")), format!("sqlite:{}", path("ledger.db")));
    };
    let linked = |url: String, port: u16, link: Option<&Proxy>| match link {
        Some(link) => url.replace(&format!("127.0.0.1:{port}"), &link.address().to_string()),
        None => url,
    };
    let bus = linked(broker.url_for_vhost(VHOST), broker.port(), through.map(|(broker, _)| broker));
    let store = linked(servers.store(), database.port(), through.map(|(_, ledger)| ledger));
    (bus, store)
}

fn names(shape: Shape) -> &'static [&'static str] {
    match shape {
        Shape::Services => &["simulator", "ingress", "router", "egress"],
        Shape::OneProcess => &["simulator", "up"],
    }
}
