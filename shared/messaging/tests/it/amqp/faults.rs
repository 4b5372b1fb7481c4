//! What a failing broker does to connections. Each test has a broker of its own to break.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messaging::dead::{self, Action, Told};
use messaging::{BusState, BusUrl, Environment, PublishError};
use protocol::topology::Topology;
use testkit::{RabbitMq, Vhost};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::contracts::dead::{letters, order};
use crate::running::{DEADLINE, Place, Running, message, next, within, work};

fn url(broker: &RabbitMq, query: &str) -> BusUrl {
    format!("{}{query}", broker.url()).parse().unwrap()
}

/// Publishes until a confirm comes.
async fn insist(running: &Running, id: &str) {
    let started = Instant::now();
    while let Err(error) = within("an answer", running.bus.publish(message("x", id))).await {
        assert!(started.elapsed() < DEADLINE, "no confirm in the end: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_and_alarms_are_survived() {
    let broker = RabbitMq::start().unwrap();
    let running = Running::open(&url(&broker, ""), &[work("one", "#")]).await;
    connections_are_cut(&broker, &running).await;
    connections_are_cut_in_a_replay(&broker, &running).await;
    room_runs_short(&running, |raised| broker.set_memory_alarm(raised).unwrap()).await;
    room_runs_short(&running, |raised| broker.set_disk_alarm(raised).unwrap()).await;
    running.close().await;
}

async fn connections_are_cut(broker: &RabbitMq, running: &Running) {
    let mut subscription = running.subscribe("one", 10).await;
    running.publish(message("x", "before")).await;
    let unsettled = next(&mut *subscription).await;
    broker.close_all_connections().unwrap();
    assert!(within("the end of the subscription", subscription.next()).await.is_none());
    // Too late, and no error: it comes again.
    unsettled.settler.ack().await;
    insist(running, "after").await;
    let taken = running.take("one", 2).await;
    let ids: BTreeSet<String> = taken.iter().map(crate::running::Taken::id).collect();
    assert_eq!(ids, BTreeSet::from(["before", "after"].map(str::to_owned)));
    assert!(taken.iter().any(|taken| taken.id() == "before" && taken.redelivered));
}

async fn connections_are_cut_in_a_replay(broker: &RabbitMq, running: &Running) {
    let (letters, ids) = letters("one", 100);
    running.bury(letters).await;
    let replay = order(Action::Replay { rate: NonZeroU32::new(200).unwrap() });
    let environment = Environment::system();
    let cut = async |at: Option<usize>| {
        let (sender, mut receiver) = mpsc::channel(1);
        let hear = async move {
            let mut replayed = 0;
            loop {
                match receiver.recv().await.unwrap() {
                    Told::Letter { .. } => replayed += 1,
                    Told::Done(summary) => return Ok(summary),
                    Told::Failed { error, .. } => return Err(error),
                }
                if Some(replayed) == at {
                    broker.close_all_connections().unwrap();
                }
            }
        };
        let stop = CancellationToken::new();
        let working = dead::work(&*running.bus, &environment, &replay, &stop, sender);
        within("the work ends", async { futures::join!(hear, working) }).await.0
    };
    let told = cut(Some(20)).await;
    assert!(told.is_err(), "it was not cut: {told:?}");
    running.reaches(|state| *state == BusState::Ready).await;
    let mut subscription = running.subscribe("one", 100).await;
    let mut came = BTreeSet::new();
    let collect = async {
        while came.len() < ids.len() {
            let delivery = next(&mut *subscription).await;
            came.insert(delivery.properties.message_id.clone().unwrap());
            delivery.settler.ack().await;
        }
    };
    // The broker takes back what was unsettled a little later.
    let replay_on = async {
        loop {
            let _cut_late = cut(None).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = collect => {}
        () = replay_on => {}
    }
    assert!(came.iter().eq(&ids));
    drop(subscription);
    // What was under way came twice.
    running.take_up_to("one", "x").await;
}

/// A bus that was just opened reads at once, and publishes a little later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_waits_for_the_connection_that_publishes() {
    let vhost = Vhost::fresh();
    let url = Place::url(&vhost);
    let before = Running::open(&url, &[work("one", "#")]).await;
    let (letters, ids) = letters("one", 3);
    before.bury(letters).await;
    before.close().await;

    let topology = Topology { queues: vec![work("one", "#")] };
    let opened = messaging::open(&url, topology).unwrap();
    let (bus, environment, stop) = (Arc::clone(&opened.bus), Environment::system(), CancellationToken::new());
    let (sender, mut receiver) = mpsc::channel(ids.len() + 1);
    let replay = order(Action::Replay { rate: NonZeroU32::MAX });
    let working = dead::work(&*bus, &environment, &replay, &stop, sender);
    tokio::pin!(working);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut working).await;
    assert!(early.is_err(), "it ended although nothing could be published: {:?}", receiver.recv().await);
    let running = Running::drive(opened);
    within("the work ends", working).await;
    let mut told = Vec::new();
    while let Some(one) = receiver.recv().await {
        told.push(one);
    }
    assert!(matches!(told.last(), Some(Told::Done(summary)) if summary.replayed == 3), "{told:?}");
    assert_eq!(running.take_ids("one", 3).await, ids);
    running.close().await;
}

async fn room_runs_short(running: &Running, set_alarm: impl Fn(bool)) {
    let blocked = |state: &BusState| matches!(state, BusState::Blocked(_));
    let mut subscription = running.subscribe("one", 10).await;
    running.publish(message("x", "before")).await;
    set_alarm(true);
    // The broker blocks a connection when it publishes next: some are handed over before that is known.
    let mut handed_over = JoinSet::new();
    let provoking = async {
        for i in 0.. {
            let bus = Arc::clone(&running.bus);
            handed_over.spawn(async move { (i, bus.publish(message("x", &i.to_string())).await) });
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = provoking => {}
        _ = running.reaches(blocked) => {}
    }
    let started = Instant::now();
    let refused = running.bus.publish(message("x", "blocked")).await.unwrap_err();
    assert!(matches!(refused, PublishError::Unavailable(_)), "{refused}");
    assert!(started.elapsed() < Duration::from_secs(1));
    // Consuming goes on meanwhile.
    let delivery = next(&mut *subscription).await;
    assert_eq!(delivery.properties.message_id.as_deref(), Some("before"));
    delivery.settler.ack().await;

    set_alarm(false);
    running.reaches(|state| *state == BusState::Ready).await;
    insist(running, "after").await;
    let confirmed =
        within("every answer", handed_over.join_all()).await.into_iter().filter(|(_, result)| result.is_ok());
    let mut awaited: BTreeSet<String> = confirmed.map(|(i, _)| i.to_string()).collect();
    awaited.insert("after".to_owned());
    while !awaited.is_empty() {
        let delivery = next(&mut *subscription).await;
        awaited.remove(delivery.properties.message_id.as_deref().unwrap());
        delivery.settler.ack().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_broker_confirmed_is_there_when_it_is_back() {
    let mut broker = RabbitMq::start().unwrap();
    let running = Running::open(&url(&broker, ""), &[work("one", "#")]).await;
    let mut subscription = running.subscribe("one", 10).await;
    let mut publishers = JoinSet::new();
    for publisher in 0..4 {
        let bus = Arc::clone(&running.bus);
        publishers.spawn(async move {
            let publishing = (0..3000).map(|i| {
                let id = format!("{publisher} {i}");
                let bus = &bus;
                async move { (bus.publish(message("x", &id)).await, id) }
            });
            futures::future::join_all(publishing).await
        });
    }
    // Some are settled, some in hand, many outstanding when it dies.
    let mut settled = BTreeSet::new();
    for _ in 0..50 {
        let delivery = next(&mut *subscription).await;
        settled.insert(delivery.properties.message_id.clone().unwrap());
        delivery.settler.ack().await;
    }
    broker.kill().unwrap();
    let results: Vec<_> = within("an answer to each", publishers.join_all()).await.into_iter().flatten().collect();
    running.reaches(|state| matches!(state, BusState::Away(_))).await;
    while within("the end of the subscription", subscription.next()).await.is_some() {}
    drop(subscription);
    let refused = running.bus.publish(message("x", "too early")).await.unwrap_err();
    assert!(matches!(refused, PublishError::Unavailable(_)), "{refused}");
    let failed = results.iter().filter(|(result, _)| result.is_err()).count();
    assert!(
        0 < failed && failed < results.len(),
        "{failed} of {} failed: killed at no interesting moment",
        results.len()
    );
    assert!(results.iter().all(|(result, _)| *result != Err(PublishError::Refused)));

    broker.restart().unwrap();
    insist(&running, "after").await;
    let mut missing: BTreeSet<String> =
        results.into_iter().filter_map(|(result, id)| result.ok().map(|()| id)).collect();
    missing.insert("after".to_owned());
    missing.retain(|id| !settled.contains(id));
    let mut subscription = running.subscribe("one", 100).await;
    while !missing.is_empty() {
        let delivery = next(&mut *subscription).await;
        missing.remove(delivery.properties.message_id.as_deref().unwrap());
        delivery.settler.ack().await;
    }
    drop(subscription);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_noticed_and_forgotten_once_it_goes_on() {
    let broker = RabbitMq::start().unwrap();
    let running = Running::open(&url(&broker, "?heartbeat=2&connection_timeout=2000"), &[work("one", "#")]).await;
    let mut subscription = running.subscribe("one", 10).await;
    broker.pause().unwrap();
    let unknown = within("an answer", running.bus.publish(message("x", "frozen"))).await.unwrap_err();
    assert!(matches!(unknown, PublishError::Unknown(_)), "{unknown}");
    running.reaches(|state| matches!(state, BusState::Away(_))).await;
    assert!(within("the end of the subscription", subscription.next()).await.is_none());
    broker.resume().unwrap();
    insist(&running, "after").await;
    // The one that nobody knew about may have come through.
    let taken = running.take_up_to("one", "x").await;
    assert_eq!(taken.iter().filter(|taken| taken.id() == "after").count(), 1);
    drop(subscription);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_while_it_is_blocked_is_used_again() {
    let mut broker = RabbitMq::start().unwrap();
    let running = Running::open(&url(&broker, ""), &[work("one", "#")]).await;
    broker.wait_queues_kept("/").unwrap();
    broker.set_memory_alarm(true).unwrap();
    // What is handed over before the bus knows is answered when the broker is killed.
    let bus = Arc::clone(&running.bus);
    let mut provoking = JoinSet::new();
    provoking.spawn(async move { bus.publish(message("x", "blocked")).await });
    running.reaches(|state| matches!(state, BusState::Blocked(_))).await;
    broker.kill().unwrap();
    assert!(within("an answer", provoking.join_all()).await.iter().all(Result::is_err));
    running.reaches(|state| matches!(state, BusState::Away(_))).await;
    broker.restart().unwrap();
    // The alarm did not outlive the broker.
    running.reaches(|state| *state == BusState::Ready).await;
    insist(&running, "after").await;
    assert!(running.take_up_to("one", "x").await.iter().any(|taken| taken.id() == "after"));
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_without_a_leader_holds_up_nothing_but_itself() {
    let broker = RabbitMq::start().unwrap();
    let running = Running::open(&url(&broker, ""), &[work("one", "one"), work("two", "two")]).await;
    let mut two = running.subscribe("two", 10).await;
    // The broker makes a channel known to a queue with the first message for it, and meanwhile the channel waits.
    running.publish(message("one", "before")).await;
    broker.pause_leader("/", "one").unwrap();
    let bus = Arc::clone(&running.bus);
    let mut publishing = JoinSet::new();
    let unled = publishing.spawn(async move { bus.publish(message("one", "unled")).await });
    // Until the other is given up, and beyond.
    let mut count = 0;
    while !unled.is_finished() || count % 10 != 0 {
        running.publish(message("two", &count.to_string())).await;
        let delivery = next(&mut *two).await;
        assert_eq!(delivery.properties.message_id, Some(count.to_string()));
        delivery.settler.ack().await;
        count += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answers = publishing.join_all().await;
    assert!(matches!(&*answers, [Err(PublishError::Unknown(_))]), "{answers:?}");
    assert_eq!(*running.bus.state().borrow(), BusState::Ready);
    // What begins meanwhile begins.
    let other = Running::open(&url(&broker, ""), &[work("one", "one"), work("two", "two")]).await;
    other.publish(message("two", "of the other")).await;
    assert_eq!(next(&mut *two).await.properties.message_id.as_deref(), Some("of the other"));
    broker.resume_leader("/", "one").unwrap();
    running.publish(message("one", "led")).await;
    assert!(running.take_up_to("one", "one").await.iter().any(|taken| taken.id() == "led"));
    drop(two);
    other.close().await;
    running.close().await;
}
