//! What the tests of the journal stand on: a bus and a database, both embedded and real, and the journal between them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use messaging::{Bus, BusUrl, Consumer, Depth, Environment, Opened, Publisher, RetryPolicy, witness};
use protocol::BackendName;
use protocol::topology::{Lane, QueueName, Topology};
use store::Settings;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn backend() -> BackendName {
    "my-tropo-backend".parse().unwrap()
}

/// A bus and a database, in a folder that goes with them.
pub(crate) struct Stage {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) database: store::Opened,
    _driving: JoinSet<()>,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let url = BusUrl::Embedded(folder.path().join("bus"));
        let lane = Lane { backend: backend(), single_active_consumer: false };
        let mut topology = Topology::new(&[lane]).with_applications(&["stock".parse().unwrap()]);
        // As a newer version binds it.
        let record = topology.queues.iter_mut().find(|queue| queue.name == QueueName::journal()).unwrap();
        record.bindings.push("message.seen.#".into());
        let Opened { bus, driver } = messaging::open(&url, topology).unwrap();
        let mut driving = JoinSet::new();
        driving.spawn(driver);
        let database = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let database = store::open_all(&database, Settings::default()).await.unwrap();
        Self { bus, database, _driving: driving, _folder: folder }
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.bus), "test")
    }

    /// What waits for the journal, on both records.
    pub(crate) async fn depths(&self) -> [Depth; 2] {
        let queues = [QueueName::journal(), QueueName::journal_dead()];
        let counted = self.bus.depths(&queues).await.unwrap();
        queues.map(|queue| counted[&queue])
    }

    /// Waits until the journal has taken everything off its records.
    pub(crate) async fn kept_up(&self) {
        let started = Instant::now();
        loop {
            let depths = self.depths().await;
            if depths.iter().all(|depth| depth.ready + depth.in_hand.unwrap() == 0) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "the journal does not keep up: {depths:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Runs the journal until it is asked to stop, and waits for its end.
pub(crate) struct Running {
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Running {
    pub(crate) fn start(stage: &Stage) -> Self {
        Self::start_on(stage, &stage.database, DEADLINE)
    }

    /// The same on this database, with so long to finish what is in hand at a stop.
    pub(crate) fn start_on(stage: &Stage, database: &store::Opened, drain: Duration) -> Self {
        let (events, dead, keeper) = journal::witnesses(database, Environment::system());
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run());
        let consumer = |queue| {
            let pause = Duration::from_secs(1);
            let retry = RetryPolicy { first: pause, longest: pause, attempts_max: None };
            Consumer { queue, prefetch: 512, retry, ordered: false, share: None, drain }
        };
        let publisher = || Publisher::new(Arc::clone(&stage.bus), "journal");
        let environment = Environment::system;
        let records = [QueueName::journal(), QueueName::journal_dead()].map(consumer);
        let [of_events, of_dead] = records;
        tasks.spawn(witness(publisher(), of_events, events, environment(), shutdown.clone(), |_| {}));
        tasks.spawn(witness(publisher(), of_dead, dead, environment(), shutdown.clone(), |_| {}));
        Self { tasks, shutdown }
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}
