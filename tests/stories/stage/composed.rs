//! The stack of `docker-compose.yml` on this machine: each container a process, run as the file and the image say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use futures::future::join_all;
use tempfile::TempDir;
use url::Url;

use super::balancer::{Backend, Balancers};
use super::compose::{Compose, Image};
use super::machine::{Machine, Place};
use super::service::{Run, Service};
use super::{Broker, Stage, Tropo, client};

/// Where every container tells how it is.
const ADMIN: u16 = 9090;

/// Where the simulator listens.
const SIMULATOR: u16 = 8089;

/// All that is another on this machine, in every container: the variable or key, and what in its value. A new one is put here
/// once it is plain what takes its place.
const TRANSLATED: [(&str, &str); 23] = [
    ("TROPOMQ_CONFIG", "/etc/tropomq/tropomq.toml"),
    ("TROPOMQ__BUS__MANAGEMENT", "rabbitmq:15672"),
    ("TROPOMQ__BUS__URL", "rabbitmq:5672"),
    ("TROPOMQ__SIMULATOR__APPLICATIONS__PROBE__MESSAGING_URL", "ingress:8080"),
    ("TROPOMQ__SIMULATOR__APPLICATIONS__SIMULATED__MESSAGING_URL", "ingress:8080"),
    ("TROPOMQ__STORE__URL", "postgres:5432"),
    ("admin.listen", "0.0.0.0:9090"),
    ("backends.probe.session_api", "simulator:8089"),
    ("command", "/etc/tropomq/tropomq.toml"),
    ("console.listen", "0.0.0.0:8088"),
    ("console.simulator", "simulator:8089"),
    ("console.watch.egress", "egress:9090"),
    ("console.watch.ingress", "ingress:9090"),
    ("console.watch.journal", "journal:9090"),
    ("console.watch.router", "router:9090"),
    ("console.watch.simulator", "simulator:9090"),
    ("egress.listen", "0.0.0.0:8081"),
    ("egress.session_api", "simulator:8089"),
    ("health check", "127.0.0.1:9090"),
    ("ingress.egress", "egress:8081"),
    ("ingress.listen", "0.0.0.0:8080"),
    ("router.listen", "0.0.0.0:8082"),
    ("simulator.listen", "0.0.0.0:8089"),
];

/// The stack, up.
pub(crate) struct Composed {
    pub(crate) stage: Stage,
    compose: Compose,
    /// How each container, by its name and number, is asked whether it is healthy.
    health_checks: BTreeMap<String, Vec<String>>,
}

/// A container to be.
struct Container {
    service: Service,
    health_check: Vec<String>,
    translated: BTreeSet<(String, String)>,
}

impl Composed {
    /// Starts everything in the order of the file, each service once those that it depends on are healthy. `scale`: of which
    /// services there are how many, where the file has another number.
    pub(crate) async fn up(scale: &[(&str, usize)]) -> Self {
        let (compose, image) = (Compose::read(), Image::read());
        let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
        let replicas = addresses(&compose, scale);
        let machine = machine(&compose, &replicas, &broker);
        let home = TempDir::new().unwrap();
        let (mut services, mut health_checks, mut asked) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        for (name, addresses) in &replicas {
            for (index, address) in addresses.iter().enumerate() {
                let container = container((&compose, &image), &machine, home.path(), (name, index, *address));
                let container = container.unwrap_or_else(|error| panic!("{name} of docker-compose.yml: {error}"));
                health_checks.insert(container.service.name().to_owned(), container.health_check);
                asked.extend(container.translated.into_iter().map(|(_, place)| place));
                services.push(container.service);
            }
        }
        let simulator = SocketAddrV4::new(replicas["simulator"][0], SIMULATOR);
        let http = client();
        let stage = Stage {
            tropo: Tropo::new(http.clone(), simulator),
            services,
            http,
            address: None,
            replicas: 0,
            is_restarted: false,
            broker: Some(broker),
            proxy: None,
            _balancers: balancers(&machine, &replicas, &asked),
            home,
        };
        let mut composed = Self { stage, compose, health_checks };
        composed.start_all().await;
        composed
    }

    async fn start_all(&mut self) {
        let services = &self.compose.services;
        // RabbitMQ's own check asks its node, which is that of all tests; but it made a virtual host for the stage.
        self.assert_postgres_is_healthy();
        let mut healthy: Vec<String> =
            services.iter().filter(|(_, service)| !service.is_ours()).map(|(name, _)| name.clone()).collect();
        while healthy.len() < services.len() {
            let is_healthy = |name: &str| healthy.iter().any(|healthy| healthy == name);
            let next =
                services.iter().filter(|(name, service)| !is_healthy(name) && service.depends_on().all(is_healthy));
            let next: Vec<String> = next.map(|(name, _)| name.clone()).collect();
            assert!(!next.is_empty(), "the others wait for each other: {healthy:?}");
            let mut starting: Vec<&mut Service> = self
                .stage
                .services
                .iter_mut()
                .filter(|service| next.iter().any(|name| name == kind(service)))
                .collect();
            for service in &mut starting {
                service.start();
            }
            for service in starting {
                service.healthy(&self.health_checks[service.name()]).await;
            }
            healthy.extend(next);
        }
    }

    fn assert_postgres_is_healthy(&self) {
        let url: Url = self.stage.ledger_url().parse().unwrap();
        let [program, arguments @ ..] = self.compose.services["postgres"].health_check().expect("a health check")
        else {
            panic!("it is no command")
        };
        let port = url.port().expect("a port").to_string();
        let status = Command::new(program).args(arguments).env("PGPORT", port).status().unwrap();
        assert!(status.success(), "PostgreSQL is not healthy: {status}");
    }

    /// How many of a service there are.
    pub(crate) fn replicas(&self, name: &str) -> usize {
        self.stage.services.iter().filter(|service| kind(service) == name).count()
    }

    /// Starts one that was killed, as `restart: unless-stopped` has it, and waits until it is healthy.
    pub(crate) async fn start_again(&mut self, name: &str) {
        let service = self.stage.service(name);
        service.start();
        service.healthy(&self.health_checks[name]).await;
    }

    /// Asks everything to stop at once: each process ends in good order and in its time, and has written nothing where it may
    /// not.
    pub(crate) async fn down(mut self) {
        let stopping = self.stage.services.iter_mut().map(async |service| {
            let asked = Instant::now();
            (service.terminate().await, asked.elapsed())
        });
        let ended = join_all(stopping).await;
        for (service, (status, took)) in self.stage.services.iter().zip(ended) {
            let (name, declared) = (service.name(), &self.compose.services[kind(service)]);
            assert_eq!(status.code(), Some(0), "{name} did not stop in good order");
            assert!(took < declared.stop_grace_period(), "{name} would have been killed after {took:?}");
            let may_write = !declared.is_read_only() || !self.compose.volumes(kind(service)).is_empty();
            let has_written = fs::read_dir(service.folder()).unwrap().next().is_some();
            assert!(may_write || !has_written, "{name} has written where it has no volume");
        }
    }
}

/// The name of a service in the file.
fn kind(service: &Service) -> &str {
    service.name().rsplit_once('-').expect("a name and a number").0
}

/// An address for each container of ours.
fn addresses(compose: &Compose, scale: &[(&str, usize)]) -> BTreeMap<String, Vec<Ipv4Addr>> {
    for (name, _) in scale {
        assert!(compose.services.contains_key(*name), "there is no {name} to be scaled");
    }
    let ours = compose.services.iter().filter(|(_, service)| service.is_ours());
    let addresses = ours.map(|(name, service)| {
        let scaled = scale.iter().find(|(scaled, _)| scaled == name);
        let count = scaled.map_or(service.replicas(), |(_, count)| *count);
        (name.clone(), (0..count).map(|_| testkit::own_address()).collect())
    });
    addresses.collect()
}

/// A name leads to its container, or to a balancer before those that have it.
fn machine(compose: &Compose, replicas: &BTreeMap<String, Vec<Ipv4Addr>>, broker: &Broker) -> Machine {
    let of = |service: &str, variable: &str| compose.services[service].environment[variable].clone();
    let (user, password) = (of("rabbitmq", "RABBITMQ_DEFAULT_USER"), of("rabbitmq", "RABBITMQ_DEFAULT_PASS"));
    let bus = format!("amqp://{user}:{password}@rabbitmq:5672");
    let (user, password) = (of("postgres", "POSTGRES_USER"), of("postgres", "POSTGRES_PASSWORD"));
    let store = format!("postgres://{user}:{password}@postgres:5432/{}", of("postgres", "POSTGRES_DB"));
    let lead = replicas.iter().map(|(name, addresses)| match addresses[..] {
        [only] => (name.clone(), only),
        _ => (name.clone(), testkit::own_address()),
    });
    Machine {
        names: lead.collect(),
        servers: BTreeMap::from([
            (bus, broker.vhost.url().to_owned()),
            ("http://rabbitmq:15672".to_owned(), broker.management_url()),
            (store, broker.database_url()),
        ]),
    }
}

/// The `index`th container of a service.
///
/// # Errors
/// The file or the image says something that nobody knows on this machine.
fn container(
    (compose, image): (&Compose, &Image),
    machine: &Machine,
    home: &Path,
    (kind, index, address): (&str, usize, Ipv4Addr),
) -> Result<Container, String> {
    let name = format!("{kind}-{index}");
    let (folder, config) = (home.join(&name), home.join(format!("{name}.toml")));
    fs::create_dir(&folder).unwrap();
    if let Some(elsewhere) = compose.volumes(kind).into_iter().find(|target| **target != image.folder) {
        return Err(format!("its process does not run in its volume at {elsewhere}"));
    }
    let files = compose.files(kind);
    let [(mounted_at, file)] = &files.into_iter().collect::<Vec<_>>()[..] else {
        return Err("it has not one configuration file".to_owned());
    };
    let mounts = BTreeMap::from([(mounted_at.clone(), config.clone())]);
    let mut place = Place { machine, address, mounts, translated: BTreeSet::new() };
    let mut variables = Vec::new();
    for (variable, value) in &compose.services[kind].environment {
        variables.push((variable.clone(), place.translate(variable, value)?));
    }
    let arguments = place.translate_command("command", &compose.services[kind].command)?;
    let health_check = place.translate_command("health check", &image.health_check)?;
    fs::write(&config, place.translate_file(file)?).unwrap();
    let translated = place.translated;
    let expected: BTreeSet<_> = TRANSLATED.iter().map(|(key, what)| ((*key).to_owned(), (*what).to_owned())).collect();
    if translated != expected {
        let new: Vec<_> = translated.difference(&expected).collect();
        let gone: Vec<_> = expected.difference(&translated).collect();
        return Err(format!("{new:?} is new in it, and {gone:?} is gone: mend the list of what is translated"));
    }
    let run = Run { arguments, variables, folder };
    let service = Service::to_run(name, home, SocketAddrV4::new(address, ADMIN), run);
    Ok(Container { service, health_check, translated })
}

/// One before each port of a name that several have, if anything asks there.
fn balancers(machine: &Machine, replicas: &BTreeMap<String, Vec<Ipv4Addr>>, asked: &BTreeSet<String>) -> Balancers {
    let mut balancers = Balancers::default();
    for place in asked {
        let Some((name, port)) = place.rsplit_once(':') else { continue };
        let Some(containers) = replicas.get(name).filter(|containers| 1 < containers.len()) else { continue };
        let port = port.parse().expect("a port");
        let backend = |address: &Ipv4Addr| Backend {
            address: SocketAddrV4::new(*address, port).into(),
            ready_url: format!("http://{address}:{ADMIN}/readyz"),
        };
        balancers.add(SocketAddrV4::new(machine.names[name], port).into(), containers.iter().map(backend).collect());
    }
    balancers
}
