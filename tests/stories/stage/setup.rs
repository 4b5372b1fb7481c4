//! How a stage is set up: which services, where, and what their configuration says.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tempfile::TempDir;
use toml::{Table, Value};

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
log = "info,ingress=debug,router=debug,egress=debug,simulator=debug"
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

/// A stage to be.
pub(crate) struct Setup {
    bus: Bus,
    replicas: u16,
    is_simulator_apart: bool,
    settings: Table,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// One process of each service; on the embedded bus one of all, the simulator too.
    pub(crate) fn new(bus: Bus) -> Self {
        let settings = SETTINGS.parse().unwrap();
        Self { bus, replicas: 1, is_simulator_apart: bus == Bus::RabbitMq, settings, variables: Vec::new() }
    }

    /// So many replicas of ingress, router and egress. Each ingress forwards to the egress of its own number.
    pub(crate) fn replicas(self, replicas: u16) -> Self {
        assert_eq!(self.bus, Bus::RabbitMq, "the embedded bus is for one process");
        Self { replicas, ..self }
    }

    /// The simulator in a process of its own, so that it outlives the others.
    pub(crate) fn simulator_apart(self) -> Self {
        Self { is_simulator_apart: true, ..self }
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
            Bus::RabbitMq => Some(tokio::task::spawn_blocking(Broker::new).await.unwrap()),
        };
        let (bus, store) = match &broker {
            None => {
                let path = |name: &str| home.path().join(name).display().to_string();
                (format!("embedded:{}", path("bus")), format!("sqlite:{}", path("ledger.db")))
            }
            Some(broker) => (broker.vhost.url().to_owned(), broker.database_url()),
        };
        self = self.with("bus.url", bus).with("store.url", store);
        self = self.with("egress.session_api", format!("http://{}/1.0/sessions", place::simulator(address)));
        for backend in [BACKEND, OTHER_BACKEND] {
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
        let mut stage = Stage {
            tropo: Tropo::new(http.clone(), place::simulator(address)),
            services,
            http,
            address,
            replicas: self.replicas,
            is_restarted: false,
            broker,
            home,
        };
        for service in &mut stage.services {
            service.ready().await;
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
        if self.is_simulator_apart {
            processes.push(("simulator", 0));
        }
        processes
    }

    fn settings_of(&self, address: Ipv4Addr, subcommand: &str, replica: u16, ordinal: u16) -> Table {
        let mut settings = self.settings.clone();
        set(&mut settings, "admin.listen", place::admin(address, ordinal).to_string());
        set(&mut settings, "ingress.listen", place::ingress(address, replica).to_string());
        set(&mut settings, "ingress.egress", format!("http://{}", place::egress(address, replica)));
        // In the folder that all of them run in.
        set(&mut settings, "ingress.spool.path", format!("spool-{replica}"));
        set(&mut settings, "egress.listen", place::egress(address, replica).to_string());
        set(&mut settings, "simulator.listen", place::simulator(address).to_string());
        // `up` runs a simulator when it has applications.
        if subcommand == "simulator" || !self.is_simulator_apart {
            let applications: Table = APPLICATIONS.parse().unwrap();
            merge(&mut settings, applications);
            for backend in [BACKEND, OTHER_BACKEND] {
                let url = place::webhook_url(address, backend, self.replicas);
                set(&mut settings, &format!("simulator.applications.{backend}.messaging_url"), url);
            }
        }
        settings
    }
}

impl Broker {
    fn new() -> Self {
        Self { vhost: Arc::new(testkit::vhost().unwrap()), database: testkit::database().unwrap() }
    }

    fn database_url(&self) -> String {
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
