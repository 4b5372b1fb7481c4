//! How a stage is set up: which services, where, and what their configuration says.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tempfile::TempDir;
use testkit::{Postgres, RabbitMq, Vhost};
use toml::{Table, Value};

use super::balancer::{Backend, Balancers};
use super::proxy::Proxy;
use super::service::Service;
use super::tropo::Tropo;
use super::{Broker, Bus, Stage, client, place};

/// The backend of the stories, and a second one.
pub(super) const BACKEND: &str = "story";
pub(super) const OTHER_BACKEND: &str = "other";

/// Their numbers.
pub(crate) const NUMBER: &str = "+15555550100";
pub(crate) const OTHER_NUMBER: &str = "+15555550101";

/// The secret that their webhooks show.
pub(crate) const SECRET: &str = "a-secret-of-the-stories";

/// What is tuned for tests: failures are tried again soon, and a stop takes no long. The log tells a message's story.
const SETTINGS: &str = r#"
[bus]
drain = "3s"
[ticket.keys]
story = "a key for the stories, of no other use"
[telemetry]
log = "info,lapin::channel=off,ingress=debug,router=debug,egress=debug,simulator=debug"
[backends.story]
messaging_token = "token-of-the-story"
number = "+1-555-555-0100"
[backends.other]
messaging_token = "token-of-the-other"
number = "+1-555-555-0101"
[router.default]
reply = "Sorry, RapidSMS could not understand your message."
[egress.retry]
first = "150ms"
longest = "1s"
"#;

/// The applications of the simulated Tropo.
const APPLICATIONS: &str = r#"
[simulator.applications.story]
messaging_token = "token-of-the-story"
numbers = ["+1-555-555-0100"]
[simulator.applications.other]
messaging_token = "token-of-the-other"
numbers = ["+1-555-555-0101"]
"#;

/// The backend of the flow probe.
const PROBED: &str = "probe";

/// What it needs.
const PROBE: &str = r#"
[backends.probe]
messaging_token = "token-of-the-probe"
number = "+1-555-555-0199"
probe = true
[console.probe]
interval = "250ms"
timeout = "5s"
"#;

const PROBED_APPLICATION: &str = r#"
[simulator.applications.probe]
messaging_token = "token-of-the-probe"
numbers = ["+1-555-555-0199"]
"#;

/// Whose RabbitMQ and PostgreSQL a stage uses.
#[derive(Clone, Copy, PartialEq)]
enum Servers {
    Shared,
    Own,
}

/// A stage to be.
pub(crate) struct Setup {
    bus: Bus,
    replicas: u16,
    is_simulator_apart: bool,
    is_behind_a_proxy: bool,
    is_balanced: bool,
    servers: Servers,
    /// What is added to the URL of the bus.
    bus_query: &'static str,
    has_journal: bool,
    has_console: bool,
    has_probe: bool,
    settings: Table,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// One process of each service; on the embedded bus one of all, the simulator too.
    pub(crate) fn new(bus: Bus) -> Self {
        let settings = SETTINGS.parse().unwrap();
        Self {
            bus,
            replicas: 1,
            is_simulator_apart: bus == Bus::RabbitMq,
            is_balanced: false,
            has_journal: false,
            has_console: false,
            has_probe: false,
            is_behind_a_proxy: false,
            servers: Servers::Shared,
            bus_query: "",
            settings,
            variables: Vec::new(),
        }
    }

    /// So many replicas of ingress, router and egress. Each ingress forwards to the egress of its own number.
    pub(crate) fn replicas(self, replicas: u16) -> Self {
        assert_eq!(self.bus, Bus::RabbitMq, "the embedded bus is for one process");
        Self { replicas, ..self }
    }

    /// A load balancer before the replicas of ingress, and one before those of egress.
    pub(crate) fn balanced(self) -> Self {
        Self { is_balanced: true, ..self }
    }

    /// A RabbitMQ and a PostgreSQL of its own, which the story may kill. The query is added to the URL of the bus.
    pub(crate) fn own_servers(self, bus_query: &'static str) -> Self {
        assert_eq!(self.bus, Bus::RabbitMq, "the embedded bus has no servers");
        Self { servers: Servers::Own, bus_query, ..self }
    }

    /// The simulator in a process of its own, so that it outlives the others.
    pub(crate) fn simulator_apart(self) -> Self {
        Self { is_simulator_apart: true, ..self }
    }

    /// With the console, and the journal that it shows; on the embedded bus both are there always.
    pub(crate) fn with_console(self) -> Self {
        Self { has_console: true, ..self.with_journal() }
    }

    /// With the console, and a text of its own that goes round again and again. Such a stage never settles.
    pub(crate) fn with_probe(mut self) -> Self {
        merge(&mut self.settings, PROBE.parse().unwrap());
        Self { has_probe: true, ..self.with_console() }
    }

    /// With the journal, which takes the events off their record; on the embedded bus it is there always.
    pub(crate) fn with_journal(self) -> Self {
        Self { has_journal: true, ..self }
    }

    /// A proxy between Tropo and the first ingress, which can lose what passes.
    pub(crate) fn behind_a_proxy(self) -> Self {
        Self { is_behind_a_proxy: true, ..self }
    }

    /// A key of the configuration, as in `egress.callback_timeout`.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        set(&mut self.settings, key, value);
        self
    }

    /// A variable in the environment of every service.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts everything, and waits until it is ready.
    pub(crate) async fn start(mut self) -> Stage {
        let home = TempDir::new().unwrap();
        let address = testkit::own_address();
        let broker = match self.bus {
            Bus::Embedded => None,
            Bus::RabbitMq => {
                let servers = self.servers;
                Some(tokio::task::spawn_blocking(move || Broker::new(servers)).await.unwrap())
            }
        };
        let (bus, store) = match &broker {
            None => {
                let path = |name: &str| home.path().join(name).display().to_string();
                (format!("embedded:{}", path("bus")), format!("sqlite:{}", path("ledger.db")))
            }
            Some(broker) => (format!("{}{}", broker.vhost.url(), self.bus_query), broker.database_url()),
        };
        self = self.with("bus.url", bus).with("store.url", store);
        if let Some(broker) = &broker {
            let management = format!("http://guest:guest@{}", broker.vhost.management().address());
            self = self.with("bus.management", management);
        }
        self = self.with("egress.session_api", format!("http://{}/1.0/sessions", place::simulator(address)));
        for backend in [BACKEND, OTHER_BACKEND].into_iter().chain(self.has_probe.then_some(PROBED)) {
            self = self.with(&format!("backends.{backend}.webhook_secret"), SECRET);
        }
        let http = client();
        let mut services = Vec::new();
        for (ordinal, (subcommand, replica)) in (0..).zip(self.processes()) {
            let settings = self.settings_of(address, subcommand, replica, ordinal);
            let name = match subcommand {
                "up" | "simulator" => subcommand.to_owned(),
                _ => format!("{subcommand}-{replica}"),
            };
            std::fs::write(home.path().join(format!("{name}.toml")), settings.to_string()).unwrap();
            let admin = place::admin(address, ordinal);
            let mut service = Service::new(name, subcommand, home.path(), admin, self.variables.clone());
            service.start();
            services.push(service);
        }
        let proxy = if self.is_behind_a_proxy {
            Some(Proxy::start(place::proxy(address), place::ingress(address, 0)).await)
        } else {
            None
        };
        let mut stage = Stage {
            tropo: Tropo::new(http.clone(), place::simulator(address)),
            services,
            http,
            address,
            replicas: self.replicas,
            is_restarted: false,
            broker,
            proxy,
            _balancers: self.balancers(address),
            home,
        };
        for service in &mut stage.services {
            service.ready().await;
            service.connected().await;
        }
        stage
    }

    /// What is run: a subcommand, and the number of the replica.
    fn processes(&self) -> Vec<(&'static str, u16)> {
        let mut processes = match self.bus {
            Bus::Embedded => vec![("up", 0)],
            Bus::RabbitMq => (0..self.replicas)
                .flat_map(|replica| ["ingress", "router", "egress"].map(|subcommand| (subcommand, replica)))
                .collect(),
        };
        if self.has_journal && self.bus == Bus::RabbitMq {
            processes.push(("journal", 0));
        }
        if self.has_console && self.bus == Bus::RabbitMq {
            processes.push(("console", 0));
        }
        if self.is_simulator_apart {
            processes.push(("simulator", 0));
        }
        processes
    }

    fn balancers(&self, address: Ipv4Addr) -> Balancers {
        let mut balancers = Balancers::default();
        if !self.is_balanced {
            return balancers;
        }
        let replicas = |subcommand: &str| {
            let all = (0..).zip(self.processes()).filter(|(_, (process, _))| *process == subcommand);
            let backend = |(ordinal, (_, replica))| Backend {
                address: match subcommand {
                    "ingress" => place::ingress(address, replica).into(),
                    _ => place::egress(address, replica).into(),
                },
                ready_url: format!("http://{}/readyz", place::admin(address, ordinal)),
            };
            all.map(backend).collect()
        };
        balancers.add(place::balanced_ingress(address).into(), replicas("ingress"));
        balancers.add(place::balanced_egress(address).into(), replicas("egress"));
        balancers
    }

    fn settings_of(&self, address: Ipv4Addr, subcommand: &str, replica: u16, ordinal: u16) -> Table {
        let mut settings = self.settings.clone();
        set(&mut settings, "admin.listen", place::admin(address, ordinal).to_string());
        set(&mut settings, "ingress.listen", place::ingress(address, replica).to_string());
        let egress = if self.is_balanced { place::balanced_egress(address) } else { place::egress(address, replica) };
        set(&mut settings, "ingress.egress", format!("http://{egress}"));
        // In the folder that all of them run in.
        set(&mut settings, "ingress.spool.path", format!("spool-{replica}"));
        set(&mut settings, "router.listen", place::router(address, replica).to_string());
        set(&mut settings, "egress.listen", place::egress(address, replica).to_string());
        set(&mut settings, "console.listen", place::console(address).to_string());
        set(&mut settings, "console.simulator", format!("http://{}", place::simulator(address)));
        set(&mut settings, "simulator.listen", place::simulator(address).to_string());
        // `up` runs a simulator when it has applications.
        if subcommand == "simulator" || !self.is_simulator_apart {
            let applications: Table = APPLICATIONS.parse().unwrap();
            merge(&mut settings, applications);
            let probed = self.has_probe.then_some(PROBED);
            if self.has_probe {
                merge(&mut settings, PROBED_APPLICATION.parse().unwrap());
            }
            for backend in [BACKEND, OTHER_BACKEND].into_iter().chain(probed) {
                let url = if self.is_behind_a_proxy {
                    place::webhook_url_at(place::proxy(address), backend)
                } else if self.is_balanced {
                    place::webhook_url_at(place::balanced_ingress(address), backend)
                } else {
                    place::webhook_url(address, backend, self.replicas)
                };
                set(&mut settings, &format!("simulator.applications.{backend}.messaging_url"), url);
            }
        }
        settings
    }
}

impl Broker {
    fn new(servers: Servers) -> Self {
        match servers {
            Servers::Shared => {
                let (vhost, database) = (testkit::vhost().unwrap(), testkit::database().unwrap());
                Self { vhost: Arc::new(vhost), database, own: None }
            }
            Servers::Own => {
                let (rabbitmq, postgres) = (RabbitMq::start().unwrap(), Postgres::start().unwrap());
                let (vhost, database) = (Vhost::on(&rabbitmq).unwrap(), postgres.database().unwrap());
                Self { vhost: Arc::new(vhost), database, own: Some((rabbitmq, postgres)) }
            }
        }
    }

    pub(super) fn database_url(&self) -> String {
        self.database.url().to_owned()
    }
}

/// Sets a value at a path of keys, with the tables on the way.
fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value.into())),
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            set(inner.as_table_mut().expect("a table"), rest, value);
        }
    }
}

fn merge(table: &mut Table, other: Table) {
    for (key, value) in other {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}
