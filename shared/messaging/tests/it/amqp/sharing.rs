//! Queues that each are with one consumer at a time, shared out over processes that come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging::{
    BoxFuture, Clock, Consumer, Context, Delivery, Environment, Publisher, RetryPolicy, Seating, Witness, witness,
};
use protocol::Timestamp;
use protocol::topology::{Queue, QueueName};
use testkit::Vhost;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::running::{DEADLINE, Place, Running, message, within, work};

/// How many queues are shared.
const QUEUES: u16 = 6;
/// The queue that every process consumes.
const AMONG: &str = "among";
/// So much faster than others time goes by here.
const HASTE: u32 = 20;
/// Where nobody has left any more in so many rounds, nobody will.
const ROUNDS_QUIET: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_those_who_are_there_comes_to_have_its_share_and_nothing_changes_its_order() {
    let vhost = Vhost::fresh();
    let mut load = Load::start(&vhost).await;
    let first = Member::join(&vhost, "first", &load.seen).await;
    load.until_shares_are(&[("first", 6)]).await;
    let second = Member::join(&vhost, "second", &load.seen).await;
    load.until_shares_are(&[("first", 3), ("second", 3)]).await;
    let third = Member::join(&vhost, "third", &load.seen).await;
    load.until_shares_are(&[("first", 2), ("second", 2), ("third", 2)]).await;
    // The one with the lowest seat: the others move up.
    first.crash().await;
    load.until_shares_are(&[("second", 3), ("third", 3)]).await;
    third.leave().await;
    load.until_shares_are(&[("second", 6)]).await;
    second.leave().await;
    load.assert_order();
    load.running.close().await;
}

/// Who saw what, in the order in which it was seen: member, queue, number.
type Seen = Arc<Mutex<Vec<(&'static str, u16, u32)>>>;

/// Publishes to all queues in rounds.
struct Load {
    running: Running,
    rounds: u32,
    seen: Seen,
}

impl Load {
    async fn start(vhost: &Vhost) -> Self {
        Self { running: Running::open(&Place::url(vhost), &queues()).await, rounds: 0, seen: Seen::default() }
    }

    /// Goes on until each member has had its share for a while.
    async fn until_shares_are(&mut self, expected: &[(&str, usize)]) {
        let expected: BTreeMap<&str, usize> = expected.iter().copied().collect();
        let (began, mut quiet, mut last) = (Instant::now(), 0, BTreeMap::new());
        while quiet < ROUNDS_QUIET {
            self.rounds += 1;
            let round = (0..QUEUES).map(|queue| message(&key(queue), &format!("{queue} {}", self.rounds)));
            for published in self.running.publish_all(round.collect()).await {
                published.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
            let holders: BTreeMap<u16, &str> =
                self.seen.lock().unwrap().iter().map(|(member, queue, _)| (*queue, *member)).collect();
            let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
            for member in holders.values() {
                *shares.entry(member).or_default() += 1;
            }
            quiet = if shares == expected && holders == last { quiet + 1 } else { 0 };
            assert!(began.elapsed() < DEADLINE, "{holders:?}, and not {expected:?}");
            last = holders;
        }
    }

    /// Everything was seen, and for the first time in its order.
    fn assert_order(&self) {
        let seen = self.seen.lock().unwrap();
        for queue in 0..QUEUES {
            let mut numbers: Vec<u32> =
                seen.iter().filter(|(_, of, _)| *of == queue).map(|(.., number)| *number).collect();
            let mut highest = 0;
            numbers.retain(|number| {
                let is_first = highest < *number;
                highest = highest.max(*number);
                is_first
            });
            assert!(numbers.into_iter().eq(1..=self.rounds), "queue {queue} lost or changed its order");
        }
    }
}

/// A process that consumes all queues.
struct Member {
    running: Running,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Member {
    async fn join(vhost: &Vhost, name: &'static str, seen: &Seen) -> Self {
        let running = Running::open(&Place::url(vhost), &queues()).await;
        let (mut tasks, shutdown, seating) = (JoinSet::new(), CancellationToken::new(), Seating::default());
        let environment = Environment { clock: Arc::new(Hasty(Instant::now())), ..Environment::system() };
        let shared = (0..QUEUES).map(|queue| (QueueName::from(key(queue).as_str()), Some(seating.share(queue))));
        for (queue, share) in shared.chain([(AMONG.into(), None)]) {
            let retry =
                RetryPolicy { first: Duration::from_secs(1), longest: Duration::from_secs(1), attempts_max: None };
            let ordered = share.is_some();
            let consumer = Consumer { queue, prefetch: 10, retry, ordered, share, drain: DEADLINE };
            let publisher = Publisher::new(Arc::clone(&running.bus), "test");
            let notes = Notes { name, seen: Arc::clone(seen) };
            tasks.spawn(witness(publisher, consumer, notes, environment.clone(), shutdown.clone(), |_| {}));
        }
        tasks.spawn(seating.keep(Arc::clone(&running.bus), AMONG.into(), environment, shutdown.clone()));
        Self { running, tasks, shutdown }
    }

    /// Ends as a service does.
    async fn leave(mut self) {
        self.shutdown.cancel();
        within("the consumers end", async { while self.tasks.join_next().await.is_some() {} }).await;
        self.running.close().await;
    }

    /// Ends wherever it stands.
    async fn crash(mut self) {
        self.tasks.shutdown().await;
        self.running.crash().await;
    }
}

/// Takes note, in no time.
struct Notes {
    name: &'static str,
    seen: Seen,
}

impl Witness for Notes {
    async fn note(&self, delivery: &Delivery, _context: &Context) {
        let id = delivery.properties.message_id.clone().unwrap();
        let (queue, number) = id.split_once(' ').unwrap();
        self.seen.lock().unwrap().push((self.name, queue.parse().unwrap(), number.parse().unwrap()));
    }
}

/// A clock that goes faster than others.
#[derive(Debug)]
struct Hasty(Instant);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH.checked_add(self.0.elapsed() * HASTE).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / HASTE))
    }
}

fn key(queue: u16) -> String {
    format!("shared.{queue}")
}

fn queues() -> Vec<Queue> {
    let shared = (0..QUEUES).map(|queue| Queue { single_active_consumer: true, ..work(&key(queue), &key(queue)) });
    shared.chain([work(AMONG, AMONG)]).collect()
}
