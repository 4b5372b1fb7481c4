//! What the stories stand on: the services as processes, on either bus, and the simulator in Tropo's place.

mod balancer;
mod compose;
mod composed;
mod idle;
mod machine;
mod metrics;
mod patience;
mod phone;
mod place;
mod proxy;
mod refused;
mod service;
mod setup;
mod tropo;

use std::net::Ipv4Addr;
use std::sync::Arc;

use reqwest::StatusCode;
use tempfile::TempDir;
use testkit::{Database, Postgres, RabbitMq, Vhost};

pub(crate) use compose::interpolated;
pub(crate) use composed::Composed;
pub(crate) use machine::{Machine, Place};
pub(crate) use metrics::Metrics;
pub(crate) use patience::{DEADLINE, client, until};
pub(crate) use phone::Phone;
pub(crate) use proxy::Proxy;
pub(crate) use service::{Service, tropomq, tropomq_as, tropomq_started, tropomq_stopped, tropomq_within};
pub(crate) use setup::{NUMBER, OTHER_NUMBER, SECRET, Setup};
pub(crate) use tropo::Tropo;

/// The bus that a story runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bus {
    /// `tropomq up`, with a ledger in a file.
    Embedded,
    /// Each service on its own, with RabbitMQ between them and a ledger in PostgreSQL.
    RabbitMq,
}

/// The services, running. Dropping it ends them, and prints what they logged if the story failed.
pub(crate) struct Stage {
    /// The simulator, over its HTTP API.
    pub(crate) tropo: Tropo,
    services: Vec<Service>,
    http: reqwest::Client,
    /// Where a setup put everything; each container of the stack has an address of its own.
    address: Option<Ipv4Addr>,
    replicas: u16,
    /// Whether a process was ended: what it counted is forgotten.
    is_restarted: bool,
    broker: Option<Broker>,
    proxy: Option<Proxy>,
    _balancers: balancer::Balancers,
    home: TempDir,
}

/// What a stage has on the servers of the tests.
struct Broker {
    vhost: Arc<Vhost>,
    database: Database,
    /// The servers themselves, where they are the stage's own. They go last.
    own: Option<(RabbitMq, Postgres)>,
}

impl Stage {
    /// A virtual phone, a number for each `index`.
    pub(crate) fn phone(&self, index: usize) -> Phone {
        Phone::new(self.tropo.clone(), format!("+1555556{index:04}"))
    }

    /// So many virtual phones.
    pub(crate) fn phones(&self, count: usize) -> Vec<Phone> {
        (0..count).map(|index| self.phone(index)).collect()
    }

    /// A service by its name: `up` or `simulator`, or with its number, as in `egress-0`.
    pub(crate) fn service(&mut self, name: &str) -> &mut Service {
        let names: Vec<String> = self.services.iter().map(|service| service.name().to_owned()).collect();
        let found = self.services.iter_mut().find(|service| service.name() == name);
        found.unwrap_or_else(|| panic!("there is no service {name}, but {names:?}"))
    }

    /// The service that egress runs in, for a story that ends it.
    pub(crate) fn sender(&mut self) -> &mut Service {
        self.is_restarted = true;
        let name = if self.broker.is_some() { "egress-0" } else { "up" };
        self.service(name)
    }

    /// The service that router runs in.
    pub(crate) fn router(&mut self) -> &mut Service {
        self.service(if self.broker.is_some() { "router-0" } else { "up" })
    }

    /// The configuration of the service that egress runs in.
    pub(crate) fn sender_config(&mut self) -> std::path::PathBuf {
        self.service(if self.broker.is_some() { "egress-0" } else { "up" }).config()
    }

    /// What all services together count.
    pub(crate) async fn metrics(&self) -> Metrics {
        let mut all = Metrics::default();
        for service in &self.services {
            all.add(service.metrics(&self.http).await);
        }
        all
    }

    /// What one service counts.
    pub(crate) async fn metrics_of(&self, name: &str) -> Metrics {
        let service = self.services.iter().find(|service| service.name() == name).expect("a service of that name");
        service.metrics(&self.http).await
    }

    /// The names of the services, and where the admin endpoints of each are.
    pub(crate) fn admin_urls(&self) -> Vec<(String, String)> {
        self.services.iter().map(|service| (service.name().to_owned(), service.admin_url())).collect()
    }

    /// All that a service logged.
    pub(crate) fn log_of(&self, name: &str) -> String {
        let service = self.services.iter().find(|service| service.name() == name).expect("a service of that name");
        service.log_text()
    }

    fn address(&self) -> Ipv4Addr {
        self.address.expect("a stage that was set up")
    }

    /// Where a backend's webhooks go.
    pub(crate) fn webhook_url(&self, backend: &str) -> String {
        place::webhook_url(self.address(), backend, self.replicas)
    }

    /// Where the console is.
    pub(crate) fn console_url(&self) -> String {
        format!("http://{}", place::console(self.address()))
    }

    /// Where ingress forwards a backend's call-backs to.
    pub(crate) fn forward_url(&self, backend: &str) -> String {
        format!("http://{}/callback/{backend}", place::egress(self.address(), 0))
    }

    /// Where an application asks for messages, at the first router.
    pub(crate) fn messages_url(&self, application: &str) -> String {
        format!("http://{}/v1/applications/{application}/messages", place::router(self.address(), 0))
    }

    /// The folder of the stage, with the configuration of each service: `<service>.toml`.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// What stands between Tropo and ingress, if anything does.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a proxy")
    }

    /// The virtual host, on RabbitMQ.
    pub(crate) fn vhost(&self) -> &Vhost {
        &self.broker.as_ref().expect("RabbitMQ").vhost
    }

    /// Its own RabbitMQ.
    pub(crate) fn rabbitmq(&mut self) -> &mut RabbitMq {
        &mut self.own_servers().0
    }

    /// Its own PostgreSQL.
    pub(crate) fn postgres(&mut self) -> &mut Postgres {
        &mut self.own_servers().1
    }

    /// The ledger of its services, in PostgreSQL.
    pub(crate) fn ledger_url(&self) -> String {
        self.broker.as_ref().expect("a stage with RabbitMQ has a PostgreSQL").database_url()
    }

    fn own_servers(&mut self) -> &mut (RabbitMq, Postgres) {
        self.broker.as_mut().and_then(|broker| broker.own.as_mut()).expect("servers of its own")
    }

    /// Posts a body as Tropo would; what is answered.
    pub(crate) async fn post(&self, url: &str, body: &serde_json::Value) -> (StatusCode, String) {
        let answer = self.http.post(url).json(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for service in &mut self.services {
            service.kill();
            if std::thread::panicking() {
                service.print_log();
            }
        }
    }
}
