//! One run: a world is set up, people text while everything fails, everything calms down, and the books are checked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging::Chance;
use protocol::{Address, BackendName, EventId, Timestamp};
use store::{Choice, ConsentChange, Opened, Outcome};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::invariants::Books;
use crate::ledger::wait;
use crate::network::Network;
use crate::planted::Plant;
use crate::replica::{Replica, Service};
use crate::settings::{RESENDING, Settings};
use crate::tropo::{Taken, Text, Tropo};
use crate::world::{World, lock};

/// How many replicas of each service there are.
const REPLICAS: usize = 2;

/// How long everything may take to settle once there are no more faults.
const SETTLE_MAX: Duration = Duration::from_mins(15);

/// What all runs share: the settings, and one database, in which nothing stands whenever a run begins.
pub(crate) struct Ground {
    settings: Arc<Settings>,
    database: Mutex<Database>,
}

/// A database, which goes with its folder.
struct Database {
    opened: Opened,
    _directory: TempDir,
}

impl Database {
    fn new() -> Self {
        // In memory where the machine has such a place: each commit is synced.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger").display());
        let opened = wait(store::open_all(&url, store::Settings::default())).unwrap();
        Self { opened, _directory: directory }
    }
}

/// How a run went.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { settings: Arc::new(Settings::new()), database: Mutex::new(Database::new()) }
    }

    fn database(&self) -> Opened {
        lock(&self.database).opened.clone()
    }

    /// Runs a seed.
    pub(crate) fn run(&self, seed: u64, plant: Plant) -> Report {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let report = runtime.block_on(self.play(seed, plant));
        drop(runtime);
        self.clear();
        report
    }

    async fn play(&self, seed: u64, plant: Plant) -> Report {
        let world = World::new(seed, plant);
        let broker = Broker::new(Arc::clone(&world), self.settings.topology());
        let network = Network::new(Arc::clone(&world));
        let tropo = Tropo::new(Arc::clone(&world), Arc::clone(&network), self.settings.keyring.clone());
        world.spawn(Arc::clone(&broker).have_troubles());
        for service in [Service::Ingress, Service::Router, Service::Egress] {
            for number in 0..REPLICAS {
                let (world, broker, network) = (Arc::clone(&world), Arc::clone(&broker), Arc::clone(&network));
                let (tropo, database) = (Arc::clone(&tropo), self.database());
                let settings = Arc::clone(&self.settings);
                let replica = Replica { service, number, world, broker, network, tropo, database, settings };
                replica.world.clone().spawn(replica.live());
            }
        }
        for index in 0..3 + world.dice.below(8) {
            world.rest(4000).await;
            let is_answered = !world.dice.falls(0.1);
            let words = format!("{} r{index}", if is_answered { "echo" } else { "hello" });
            let phone = format!("1555555017{}", world.dice.below(4));
            let backend = match world.dice.below(5) {
                0 | 1 => "plain",
                2 | 3 => "paced",
                _ => RESENDING,
            };
            let person = phone.clone();
            tropo.text(format!("a{index}"), Text { backend, phone, words, is_answered, taken: Taken::Unknown });
            if world.dice.falls(0.1) {
                world.rest(4000).await;
                self.opt_out(&world, backend, &person);
            }
        }
        world.rest(15_000).await;
        world.calm_down();
        self.settle(&world, &broker, &tropo).await;
        Books::new(&world, &broker, &*self.database().ledger, tropo.take_state()).check();
        Report { seed, violations: world.violations(), trace: world.take_trace() }
    }

    /// Waits until nothing is left to do.
    async fn settle(&self, world: &World, broker: &Broker, tropo: &Tropo) {
        let began = Instant::now();
        let mut quiet = 0;
        while quiet < 2 {
            if SETTLE_MAX < began.elapsed() {
                return world.violation(format!("something is still under way {SETTLE_MAX:?} after the last fault"));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            let is_quiet = broker.is_quiet() && tropo.is_quiet() && self.open_releases().is_empty();
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
    }

    /// The releases whose end is not on record.
    fn open_releases(&self) -> Vec<store::Release> {
        let of = |backend: &BackendName| {
            wait(self.database().ledger.overdue(backend, Timestamp::MAX, 1000)).unwrap().readable
        };
        self.settings.backends.keys().flat_map(of).map(|overdue| overdue.release).collect()
    }

    /// A person opts out, as an operator records it.
    fn opt_out(&self, world: &World, backend: &str, phone: &str) {
        let (backend, person): (BackendName, Address) = (backend.parse().unwrap(), phone.parse().unwrap());
        let change = ConsentChange {
            cause: EventId::from(world.dice.uuid()),
            backend: backend.clone(),
            person: person.clone(),
            choice: Some(Choice::Out),
            word: "operator".to_owned(),
            reply: None,
            at: world.now(),
        };
        wait(self.database().consents.change(change)).unwrap();
        world.opts_out(backend, person);
    }

    /// Empties the database; where somebody opted out, which is never forgotten, there is a new one.
    fn clear(&self) {
        let Opened { ledger, consents, .. } = self.database();
        if !wait(consents.opted_out(None, 1)).unwrap().is_empty() {
            *lock(&self.database) = Database::new();
            return;
        }
        for release in self.open_releases() {
            let (message_id, session_id) = (release.message_id, &release.session_id);
            wait(ledger.settle(message_id, session_id, Outcome::Failed, Timestamp::UNIX_EPOCH)).unwrap();
        }
        wait(ledger.prune(Timestamp::MAX, 1_000_000)).unwrap();
        assert_eq!(wait(ledger.count()).unwrap(), 0, "the next run begins with an empty ledger");
    }
}

impl Report {
    /// Everything that a person needs to see what went wrong.
    pub(crate) fn told(&self) -> String {
        let Self { seed, violations, trace } = self;
        format!(
            "seed {seed}: {}\n\n{}\n\nseed {seed} again: SIM_SEED={seed} cargo nextest run -p tropomq --test sim",
            violations.join("\n  "),
            trace.join("\n"),
        )
    }
}
