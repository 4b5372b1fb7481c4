//! The promises of the spool, kept by the file and the drain together.

mod aside;
mod broker;
mod crash;
mod torn;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::{Clock, Properties};
use broker::Broker;

const DEADLINE: Duration = Duration::from_secs(30);

/// The wait for a confirm: far longer than these brokers take, and a message that waits for it in vain shows.
const WAIT: Duration = Duration::from_secs(1);

/// A spool before a broker, in a directory.
struct Running {
    spool: Arc<Spool>,
    broker: Arc<Broker>,
    shutdown: CancellationToken,
    driver: JoinSet<()>,
}

fn settings(directory: &TempDir) -> Settings {
    let path = directory.path().to_owned();
    Settings { path, bytes_max: 64 << 20, age_max: Duration::from_secs(3600), wait: WAIT }
}

impl Running {
    fn open(directory: &TempDir, broker: Broker) -> Self {
        Self::with(&settings(directory), broker, Environment::system())
    }

    fn with(settings: &Settings, broker: Broker, environment: Environment) -> Self {
        let (broker, shutdown) = (Arc::new(broker), CancellationToken::new());
        let bus: Arc<dyn Bus> = Arc::clone(&broker) as Arc<dyn Bus>;
        let Opened { spool, driver } = open(settings, bus, environment, shutdown.clone()).unwrap();
        Self { spool, broker, shutdown, driver: run(driver) }
    }

    async fn publish(&self, body: u32) -> Result<(), PublishError> {
        timeout(DEADLINE, self.spool.publish(message(body))).await.expect("an answer in time")
    }

    /// Waits until nothing is in the spool.
    async fn empty(&self) {
        until(|| self.spool.status().messages == 0).await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(DEADLINE, self.driver.join_all()).await.unwrap();
    }
}

fn run(driver: BoxFuture<'static, ()>) -> JoinSet<()> {
    JoinSet::from_iter([driver])
}

async fn until(mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(DEADLINE, look).await.expect("it came in time");
}

fn message(body: u32) -> Message {
    message_to("message.received.b", body)
}

fn message_to(routing_key: &str, body: u32) -> Message {
    Message {
        destination: Destination::Topic { routing_key: routing_key.to_owned() },
        properties: Properties {
            message_id: Some(body.to_string()),
            timestamp: u64::try_from(Timestamp::now().as_second()).ok(),
            headers: BTreeMap::from([("traceparent".to_owned(), format!("00-{body}"))]),
            ..Properties::default()
        },
        body: Bytes::from(body.to_string()),
    }
}

#[tokio::test]
async fn with_a_bus_that_is_there_nothing_is_spooled() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::ready());
    running.publish(1).await.unwrap();
    assert_eq!((running.broker.bodies(), running.spool.status().messages), (vec![1], 0));
    running.stop().await;
    assert_eq!(embedded::open_spool(directory.path(), &queue()).unwrap().1.messages, 0);
}

#[tokio::test]
async fn what_was_taken_while_the_bus_was_away_comes_first_and_as_it_was() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::away());
    for body in 0..600 {
        running.publish(body).await.unwrap();
    }
    let status = running.spool.status();
    assert_eq!((status.messages, status.is_ready, running.broker.bodies().len()), (600, true, 0));
    running.broker.come_back();
    running.publish(600).await.unwrap();
    running.empty().await;
    running.publish(601).await.unwrap();
    assert_eq!(running.broker.bodies(), (0..602).collect::<Vec<_>>());
    let (taken, expected) = (running.broker.first(), message(0));
    assert_eq!((taken.destination, taken.properties.headers), (expected.destination, expected.properties.headers));
    running.stop().await;
}

#[tokio::test]
async fn a_stop_keeps_what_is_in_the_spool_for_the_next_start() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::away());
    try_join_all((0..100).map(|body| running.publish(body))).await.unwrap();
    let late = Arc::clone(&running.spool);
    running.stop().await;
    assert!(matches!(late.publish(message(7)).await, Err(PublishError::Unavailable(_))));
    let running = Running::open(&directory, Broker::ready());
    running.publish(100).await.unwrap();
    running.empty().await;
    assert_eq!(running.broker.bodies(), (0..101).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn a_bus_that_is_silent_is_waited_for_once_and_not_by_everybody() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::silent());
    // One after the other: were each to wait for the bus, this would take longer than the deadline.
    let all = async {
        for body in 0..100 {
            running.publish(body).await.unwrap();
        }
    };
    timeout(DEADLINE, all).await.unwrap();
    assert_eq!(running.spool.status().messages, 100);
    running.broker.lose_connection();
    running.broker.come_back();
    running.empty().await;
    assert_eq!(running.broker.first_occurrences(), (0..100).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn a_full_spool_refuses_and_keeps_what_it_has() {
    let directory = TempDir::new().unwrap();
    let bytes_max = 10 * account::size(1);
    let running = Running::with(&Settings { bytes_max, ..settings(&directory) }, Broker::away(), Environment::system());
    let answers = join_all((0..9).chain([9, 9, 9]).map(|body| running.publish(body))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.clone().err()).collect();
    let words = format!("the spool is full: it holds {bytes_max} bytes, and may hold {bytes_max}");
    assert_eq!(refused, vec![PublishError::NoRoom(words.clone()); 2]);
    let status = running.spool.status();
    assert_eq!((status.messages, status.is_ready, status.refusal), (10, false, Some(words)));
    running.stop().await;
    // After a start it is as full as it was.
    let running = Running::with(&Settings { bytes_max, ..settings(&directory) }, Broker::away(), Environment::system());
    assert!(matches!(running.publish(10).await, Err(PublishError::NoRoom(_))));
    running.broker.come_back();
    running.empty().await;
    running.publish(11).await.unwrap();
    assert!(running.spool.status().is_ready);
    assert_eq!(running.broker.bodies(), (0..10).chain([11]).collect::<Vec<_>>());
    running.stop().await;
}

/// A clock that can be put forward.
#[derive(Debug, Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(Timestamp::now().as_second() + self.0.load(Ordering::Relaxed)).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[tokio::test]
async fn once_the_oldest_is_too_old_more_is_refused_and_what_is_kept_still_comes() {
    let (directory, clock) = (TempDir::new().unwrap(), Arc::new(Hands::default()));
    let environment = Environment { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Environment::system() };
    let running = Running::with(&settings(&directory), Broker::away(), environment);
    running.publish(0).await.unwrap();
    running.publish(1).await.unwrap();
    until(|| running.spool.status().age.is_some()).await;
    clock.0.store(3700, Ordering::Relaxed);
    let refused = running.publish(2).await.unwrap_err();
    assert!(matches!(&refused, PublishError::NoRoom(why) if why.contains("may wait for 3600 s")), "{refused}");
    assert!(!running.spool.status().is_ready);
    running.broker.come_back();
    running.empty().await;
    running.publish(3).await.unwrap();
    assert_eq!(running.broker.bodies(), [0, 1, 3]);
    running.stop().await;
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_refuses_and_the_bus_is_used_when_it_is_there() {
    let directory = TempDir::new().unwrap();
    let (broker, shutdown) = (Arc::new(Broker::away()), CancellationToken::new());
    let bus: Arc<dyn Bus> = Arc::clone(&broker) as Arc<dyn Bus>;
    // A bus that takes nothing, in the place of the file.
    let journal: Arc<dyn Bus> = Arc::new(Broker::away());
    let held = embedded::Totals::default();
    let Opened { spool, driver } =
        with_journal(&settings(&directory), bus, journal, held, Environment::system(), shutdown.clone());
    let driver = run(driver);
    for _ in 0..3 {
        let refused = spool.publish(message(1)).await.unwrap_err();
        assert_eq!(refused, PublishError::NoRoom("the spool cannot be written: away".to_owned()));
    }
    let status = spool.status();
    assert_eq!((status.messages, status.is_ready), (0, false));
    broker.come_back();
    spool.publish(message(2)).await.unwrap();
    assert!(spool.status().is_ready, "the bus takes what the spool cannot");
    assert_eq!(broker.bodies(), [2]);
    shutdown.cancel();
    driver.join_all().await;
}

#[tokio::test]
async fn what_amqp_cannot_carry_does_not_stop_what_comes_after_it() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::away());
    let mut unfit = message(0);
    unfit.properties.message_id = Some("x".repeat(300));
    assert_eq!(running.spool.publish(unfit).await, Err(PublishError::Refused));
    running.publish(1).await.unwrap();
    running.broker.come_back();
    running.empty().await;
    assert_eq!(running.broker.bodies(), [1]);
    running.stop().await;
}

/// So many who publish, each the next once the last was answered.
const SENDERS: u32 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn under_a_load_that_never_pauses_the_spool_gets_empty_and_nobody_is_overtaken() {
    let directory = TempDir::new().unwrap();
    let running = Arc::new(Running::open(&directory, Broker::away()));
    let ended = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (running, ended) = (Arc::clone(&running), Arc::clone(&ended));
        senders.spawn(async move {
            let mut count = 0;
            while !ended.load(Ordering::Relaxed) {
                running.publish(sender * 1_000_000 + count).await.unwrap();
                count += 1;
                // As the network would; and a bus in memory takes a million a second.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            count
        });
    }
    until(|| 1000 < running.spool.status().messages).await;
    for _ in 0..3 {
        running.broker.come_back();
        running.empty().await;
        running.broker.lose_connection();
        until(|| 500 < running.spool.status().messages).await;
    }
    running.broker.come_back();
    ended.store(true, Ordering::Relaxed);
    let counts: u32 = senders.join_all().await.into_iter().sum();
    running.empty().await;
    check_order(&running.broker, counts);
    Arc::into_inner(running).unwrap().stop().await;
}

/// Every message is there, and those of a sender in order, second occurrences apart.
#[track_caller]
fn check_order(broker: &Broker, counts: u32) {
    let first = broker.first_occurrences();
    assert_eq!(first.len(), usize::try_from(counts).unwrap());
    let mut last: BTreeMap<u32, u32> = BTreeMap::new();
    for body in first {
        let (sender, number) = (body / 1_000_000, body % 1_000_000);
        let expected = last.get(&sender).map_or(0, |last| last + 1);
        assert_eq!(number, expected, "sender {sender} was overtaken");
        last.insert(sender, number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_bus_that_fails_at_random_nothing_is_lost_and_nobody_is_overtaken() {
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    println!("seed {seed}");
    let directory = TempDir::new().unwrap();
    let running = Arc::new(Running::open(&directory, Broker::failing(seed)));
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let running = Arc::clone(&running);
        senders.spawn(async move {
            for count in 0..250 {
                running.publish(sender * 1_000_000 + count).await.unwrap();
            }
        });
    }
    let weak = Arc::clone(&running.broker);
    let mut mending = JoinSet::new();
    mending.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            weak.come_back();
        }
    });
    senders.join_all().await;
    running.empty().await;
    assert!(5 < running.broker.failures(), "it failed too seldom to tell anything");
    check_order(&running.broker, 8 * 250);
    mending.abort_all();
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test]
async fn one_process_at_a_time_has_a_spool() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::away());
    let bus: Arc<dyn Bus> = Arc::new(Broker::away());
    let refused = open(&settings(&directory), bus, Environment::system(), CancellationToken::new()).err().unwrap();
    let words = format!("the spool in {} is in use by another process", directory.path().display());
    assert!(refused.to_string().starts_with(&words), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn a_file_of_something_else_is_told_and_left_alone() {
    let refused = |directory: &TempDir| {
        let bus: Arc<dyn Bus> = Arc::new(Broker::away());
        open(&settings(directory), bus, Environment::system(), CancellationToken::new()).err().unwrap()
    };
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("spool.db");
    fs::write(&file, "not a database".repeat(100)).unwrap();
    assert!(refused(&directory).to_string().ends_with("move it away, or choose another directory"));
    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute("CREATE TABLE other (id INTEGER)", []).unwrap();
    assert!(matches!(refused(&directory), OpenError::Foreign { source: None, .. }));
    fs::remove_file(&file).unwrap();
    Running::open(&directory, Broker::away()).stop().await;
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let newer = refused(&directory);
    assert!(matches!(&newer, OpenError::Unusable { source: embedded::OpenError::Newer { .. }, .. }), "{newer:?}");
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let running = Running::open(&directory, Broker::away());
    running.publish(1).await.unwrap();
    let mut names = Vec::new();
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    assert_eq!(names, ["spool.db", "spool.db-shm", "spool.db-wal", "spool.lock"]);
    running.stop().await;
}
