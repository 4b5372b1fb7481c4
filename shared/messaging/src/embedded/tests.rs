//! The promises of the bus, kept by the file and the thread together.

mod crash;
mod disk;
mod edition;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{join_all, try_join_all};
use protocol::topology::{Bound, DELIVERY_LIMIT, Queue, QueueName, Topology};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::headers::{QUEUE, REASON, ROUTING_KEY};
use crate::{Bus, Delivery, Destination, Message, Properties, PublishError, Subscription};

const DEADLINE: Duration = Duration::from_secs(20);

/// `work` gets `work.*`, `both` gets `both` as `work` does, `ordered` has one consumer at a time, and `record` keeps
/// the last three.
fn topology() -> Topology {
    let queue = |name: &str, patterns: &[&str]| Queue {
        name: name.into(),
        bindings: patterns.iter().map(|pattern| (*pattern).into()).collect(),
        dead_letters: false,
        single_active_consumer: false,
        bound: None,
    };
    Topology {
        queues: vec![
            queue("work", &["work.*", "both"]),
            queue("both", &["both"]),
            Queue { single_active_consumer: true, ..queue("ordered", &["ordered"]) },
            Queue {
                bound: Some(Bound { messages_max: 3, age_max: Duration::from_secs(60) }),
                ..queue("record", &["record"])
            },
            queue("elsewhere", &["elsewhere"]),
        ],
    }
}

fn open_in(directory: &TempDir) -> Arc<dyn Bus> {
    open(directory.path(), topology()).unwrap().bus
}

fn bus() -> (TempDir, Arc<dyn Bus>) {
    let directory = TempDir::new().unwrap();
    let bus = open_in(&directory);
    (directory, bus)
}

fn message(destination: Destination, body: u32) -> Message {
    Message { destination, properties: Properties::default(), body: Bytes::from(body.to_string()) }
}

fn to(routing_key: &str, body: u32) -> Message {
    message(Destination::Topic { routing_key: routing_key.to_owned() }, body)
}

fn later(delay: Duration, body: u32) -> Message {
    message(Destination::Delayed { queue: "work".into(), delay }, body)
}

async fn publish(bus: &Arc<dyn Bus>, routing_key: &str, bodies: impl IntoIterator<Item = u32>) {
    let confirms = bodies.into_iter().map(|body| bus.publish(to(routing_key, body)));
    try_join_all(confirms).await.unwrap();
}

async fn subscribe(bus: &Arc<dyn Bus>, queue: &str, prefetch: u16) -> Box<dyn Subscription> {
    bus.subscribe(&queue.into(), prefetch).await.unwrap()
}

async fn next(subscription: &mut Box<dyn Subscription>) -> Delivery {
    timeout(DEADLINE, subscription.next()).await.expect("a delivery in time").expect("a subscription that goes on")
}

fn body(delivery: &Delivery) -> u32 {
    std::str::from_utf8(&delivery.body).unwrap().parse().unwrap()
}

/// Takes and acknowledges so many.
async fn take(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<u32> {
    let mut bodies = Vec::with_capacity(count);
    for _ in 0..count {
        let delivery = next(subscription).await;
        bodies.push(body(&delivery));
        delivery.settler.ack().await;
    }
    bodies
}

/// Returns once all that was asked of the bus before has been done, and delivered: a confirm is given before what
/// was asked with it is delivered, but after all that was asked with the one before.
async fn settle(bus: &Arc<dyn Bus>) {
    publish(bus, "elsewhere", [0]).await;
    publish(bus, "elsewhere", [0]).await;
}

#[track_caller]
fn check_idle(subscription: &mut Box<dyn Subscription>) {
    assert!(subscription.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_message_comes_as_it_was_published_to_every_queue_bound_for_it() {
    let (_directory, bus) = bus();
    let properties = Properties {
        message_id: Some("id".to_owned()),
        correlation_id: Some("session".to_owned()),
        message_type: Some("message.sent.v1".to_owned()),
        app_id: Some("egress".to_owned()),
        timestamp: Some(1),
        headers: BTreeMap::from([("traceparent".to_owned(), "00".to_owned())]),
    };
    // Once from memory, and once from the file.
    let mut there = subscribe(&bus, "work", 1).await;
    bus.publish(Message { properties: properties.clone(), ..to("both", 7) }).await.unwrap();
    for subscription in [&mut there, &mut subscribe(&bus, "both", 1).await] {
        let delivery = next(subscription).await;
        assert_eq!((&*delivery.routing_key, &delivery.properties, body(&delivery)), ("both", &properties, 7));
        assert!(!delivery.redelivered);
    }
    assert_eq!(bus.system(), "tropomq_embedded");
    assert_eq!(*bus.state().borrow(), BusState::Ready);
}

#[tokio::test]
async fn what_no_queue_is_bound_for_is_kept() {
    let (_directory, bus) = bus();
    publish(&bus, "nowhere.to.go", [1]).await;
    bus.publish(message(Destination::Delayed { queue: "nobody".into(), delay: Duration::ZERO }, 2)).await.unwrap();
    let mut unrouted = subscribe(&bus, "tropomq.unrouted", 10).await;
    let deliveries = [next(&mut unrouted).await, next(&mut unrouted).await];
    let routing_keys = deliveries.each_ref().map(|delivery| (&*delivery.routing_key, body(delivery)));
    assert_eq!(routing_keys, [("nowhere.to.go", 1), ("nobody", 2)]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_hurts_no_other() {
    let (_directory, bus) = bus();
    let too_large = Message { body: Bytes::from(vec![0; (16 << 20) + 1]), ..to("work.a", 0) };
    let (refused, kept) = futures::join!(bus.publish(too_large), bus.publish(to("work.a", 1)));
    assert_eq!((refused, kept), (Err(PublishError::Refused), Ok(())));
    assert_eq!(take(&mut subscribe(&bus, "work", 2).await, 1).await, [1]);
}

#[tokio::test]
async fn a_dead_message_tells_where_it_came_from() {
    let (_directory, bus) = bus();
    let mut dead = message(Destination::Dead, 1);
    dead.properties.headers.insert(ROUTING_KEY.to_owned(), "work.a".to_owned());
    bus.publish(dead).await.unwrap();
    let delivery = next(&mut subscribe(&bus, "tropomq.dead", 1).await).await;
    assert_eq!((&*delivery.routing_key, body(&delivery)), ("work.a", 1));
}

#[tokio::test]
async fn a_queue_that_does_not_exist_cannot_be_consumed_from() {
    let (_directory, bus) = bus();
    let error = bus.subscribe(&"nobody".into(), 1).await.err().unwrap();
    assert_eq!(error.to_string(), "cannot consume from nobody: there is no such queue");
}

#[tokio::test]
async fn a_queue_keeps_its_order_whatever_is_given_back() {
    let (_directory, bus) = bus();
    publish(&bus, "work.a", 0..10).await;
    let mut first = subscribe(&bus, "work", 5).await;
    for expected in 0..5 {
        let delivery = next(&mut first).await;
        assert_eq!((body(&delivery), delivery.redelivered), (expected, false));
        match expected {
            1 => delivery.settler.ack().await,
            // A settler that is dropped settles nothing.
            _ => drop(delivery.settler),
        }
    }
    settle(&bus).await;
    drop(first);
    let mut second = subscribe(&bus, "work", 20).await;
    for expected in [0, 2, 3, 4, 5, 6, 7, 8, 9] {
        let delivery = next(&mut second).await;
        // The fifth was on its way to the first when the second was acknowledged.
        assert_eq!((body(&delivery), delivery.redelivered), (expected, expected <= 5));
    }
}

#[tokio::test]
async fn a_requeued_delivery_comes_again() {
    let (_directory, bus) = bus();
    publish(&bus, "work.a", [1, 2]).await;
    let mut subscription = subscribe(&bus, "work", 1).await;
    let delivery = next(&mut subscription).await;
    delivery.settler.requeue().await;
    let delivery = next(&mut subscription).await;
    assert_eq!((body(&delivery), delivery.redelivered), (1, true));
    delivery.settler.ack().await;
    assert_eq!(take(&mut subscription, 1).await, [2]);
    settle(&bus).await;
    check_idle(&mut subscription);
}

#[tokio::test]
async fn what_is_never_settled_ends_with_the_dead() {
    let (_directory, bus) = bus();
    publish(&bus, "work.a", [1]).await;
    let mut subscription = subscribe(&bus, "work", 1).await;
    for _ in 0..=DELIVERY_LIMIT {
        next(&mut subscription).await.settler.requeue().await;
    }
    let mut dead = subscribe(&bus, "tropomq.dead", 1).await;
    let delivery = next(&mut dead).await;
    let header = |name| delivery.properties.headers.get(name).map(String::as_str);
    assert_eq!(header(REASON), Some("delivery_limit"));
    assert_eq!((header(QUEUE), header(ROUTING_KEY)), (Some("work"), Some("work.a")));
    assert_eq!(body(&delivery), 1);
    check_idle(&mut subscription);
}

#[tokio::test]
async fn no_more_than_the_prefetch_is_out_at_a_time() {
    let (_directory, bus) = bus();
    let mut subscription = subscribe(&bus, "work", 2).await;
    publish(&bus, "work.a", 0..5).await;
    let first = next(&mut subscription).await;
    let _second = next(&mut subscription).await;
    settle(&bus).await;
    check_idle(&mut subscription);
    first.settler.ack().await;
    assert_eq!(body(&next(&mut subscription).await), 2);
    settle(&bus).await;
    check_idle(&mut subscription);
}

#[tokio::test]
async fn a_single_active_consumer_hands_over_when_it_goes() {
    let (_directory, bus) = bus();
    let mut first = subscribe(&bus, "ordered", 1).await;
    let mut second = subscribe(&bus, "ordered", 10).await;
    publish(&bus, "ordered", 0..4).await;
    assert_eq!(take(&mut first, 1).await, [0]);
    let in_hand = next(&mut first).await;
    settle(&bus).await;
    check_idle(&mut second);
    drop(first);
    assert_eq!(take(&mut second, 3).await, [1, 2, 3]);
    // Too late: it is not the first one's any more.
    in_hand.settler.requeue().await;
    settle(&bus).await;
    check_idle(&mut second);
}

#[tokio::test]
async fn a_cancelled_subscription_settles_what_it_has_and_gets_no_more() {
    let (_directory, bus) = bus();
    let mut first = subscribe(&bus, "work", 2).await;
    publish(&bus, "work.a", 0..2).await;
    let delivery = next(&mut first).await;
    first.cancel().await;
    delivery.settler.ack().await;
    publish(&bus, "work.a", [2]).await;
    assert_eq!(body(&next(&mut first).await), 1);
    assert!(timeout(DEADLINE, first.next()).await.unwrap().is_none());
    drop(first);
    assert_eq!(take(&mut subscribe(&bus, "work", 5).await, 2).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_consumers_share_a_queue_and_get_each_message_once() {
    let (_directory, bus) = bus();
    publish(&bus, "work.a", 0..1000).await;
    let mut consumers = Vec::new();
    for _ in 0..20 {
        consumers.push(subscribe(&bus, "work", 3).await);
    }
    // Each takes until all are there, and leaves the deliveries that come on the way.
    let (taken, done) = (RefCell::new(Vec::new()), CancellationToken::new());
    let (taken, done) = (&taken, &done);
    let consume = async |mut consumer: Box<dyn Subscription>| {
        while let Some(bodies) = done.run_until_cancelled(take(&mut consumer, 1)).await {
            taken.borrow_mut().extend(bodies);
            if 1000 <= taken.borrow().len() {
                done.cancel();
            }
        }
    };
    join_all(consumers.into_iter().map(consume)).await;
    let mut all = taken.take();
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_delay_is_never_cut_short() {
    let (_directory, bus) = bus();
    let mut subscription = subscribe(&bus, "work", 10).await;
    let started = Instant::now();
    for (delay_ms, body) in [(300, 3), (100, 1), (200, 2)] {
        bus.publish(later(Duration::from_millis(delay_ms), body)).await.unwrap();
    }
    publish(&bus, "work.a", [0]).await;
    for expected in 0..4_u32 {
        let delivery = next(&mut subscription).await;
        assert_eq!((body(&delivery), delivery.redelivered), (expected, false));
        assert!(Duration::from_millis(100) * expected <= started.elapsed(), "{expected}");
        assert_eq!(delivery.routing_key, if expected == 0 { "work.a" } else { "work" });
    }
}

#[tokio::test]
async fn a_delay_goes_on_while_the_bus_is_closed() {
    let (directory, bus) = bus();
    let started = Instant::now();
    bus.publish(later(Duration::from_millis(300), 1)).await.unwrap();
    bus.publish(later(Duration::ZERO, 0)).await.unwrap();
    bus.close().await;
    let bus = open_in(&directory);
    let mut subscription = subscribe(&bus, "work", 10).await;
    assert_eq!(take(&mut subscription, 2).await, [0, 1]);
    assert!(Duration::from_millis(300) <= started.elapsed());
}

#[tokio::test]
async fn what_was_not_settled_comes_again_after_the_bus_was_dropped() {
    let directory = TempDir::new().unwrap();
    let Opened { bus, driver } = open(directory.path(), topology()).unwrap();
    let mut subscription = subscribe(&bus, "work", 10).await;
    publish(&bus, "work.a", 0..4).await;
    let deliveries = [next(&mut subscription).await, next(&mut subscription).await];
    let [first, second] = deliveries;
    second.settler.ack().await;
    // The subscription outlives the bus, and ends with it.
    drop(bus);
    timeout(DEADLINE, driver).await.expect("the thread ends");
    drop(first);
    while subscription.next().await.is_some() {}
    let bus = open_in(&directory);
    let mut subscription = subscribe(&bus, "work", 10).await;
    publish(&bus, "work.a", [4]).await;
    for expected in [0, 2, 3, 4] {
        let delivery = next(&mut subscription).await;
        assert_eq!((body(&delivery), delivery.redelivered), (expected, expected < 4));
    }
}

#[tokio::test]
async fn a_closed_bus_has_confirmed_what_it_took_and_takes_no_more() {
    let directory = TempDir::new().unwrap();
    let Opened { bus, driver } = open(directory.path(), topology()).unwrap();
    let confirms = join_all((0..100).map(|body| bus.publish(to("work.a", body))));
    let (confirmed, ()) = futures::join!(confirms, bus.close());
    assert!(confirmed.iter().all(Result::is_ok));
    timeout(DEADLINE, driver).await.expect("the driver ends");
    assert_eq!(*bus.state().borrow(), BusState::Closed);
    assert!(matches!(bus.publish(to("work.a", 0)).await, Err(PublishError::Unavailable(_))));
    assert!(bus.subscribe(&"work".into(), 1).await.is_err());
    bus.close().await;
    let bus = open_in(&directory);
    assert_eq!(take(&mut subscribe(&bus, "work", 10).await, 100).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_record_keeps_the_last_messages() {
    let (_directory, bus) = bus();
    publish(&bus, "record", 0..2).await;
    let mut subscription = subscribe(&bus, "record", 1).await;
    let in_hand = next(&mut subscription).await;
    publish(&bus, "record", 2..10).await;
    assert_eq!(body(&in_hand), 0);
    in_hand.settler.ack().await;
    assert_eq!(take(&mut subscription, 3).await, [7, 8, 9]);
    settle(&bus).await;
    check_idle(&mut subscription);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_beyond_memory_comes_once_and_in_order() {
    let (directory, bus) = bus();
    publish(&bus, "work.a", 0..3000).await;
    bus.close().await;
    let bus = open_in(&directory);
    let mut subscription = subscribe(&bus, "work", 100).await;
    let (taken, ()) = futures::join!(take(&mut subscription, 5000), publish(&bus, "work.a", 3000..5000));
    assert_eq!(taken, (0..5000).collect::<Vec<_>>());
    settle(&bus).await;
    check_idle(&mut subscription);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_publishers_are_each_confirmed_and_keep_their_order() {
    let (_directory, bus) = bus();
    let publisher = async |publisher: u32| {
        for body in 0..20 {
            publish(&bus, "work.a", (0..100).map(|n| publisher * 10_000 + body * 100 + n)).await;
        }
    };
    let mut subscription = subscribe(&bus, "work", 500).await;
    let (taken, ..) =
        futures::join!(take(&mut subscription, 8000), publisher(0), publisher(1), publisher(2), publisher(3));
    for publisher in 0..4 {
        let of_one: Vec<u32> = taken.iter().filter(|body| **body / 10_000 == publisher).map(|it| it % 10_000).collect();
        assert_eq!(of_one, (0..2000).collect::<Vec<_>>(), "{publisher}");
    }
}

#[tokio::test]
async fn a_queue_that_the_topology_no_longer_names_keeps_its_messages() {
    let (directory, bus) = bus();
    publish(&bus, "work.a", 0..3).await;
    bus.close().await;
    let bus = open(directory.path(), Topology::default()).unwrap().bus;
    publish(&bus, "work.a", [3]).await;
    assert_eq!(take(&mut subscribe(&bus, "work", 1).await, 3).await, [0, 1, 2]);
    assert_eq!(take(&mut subscribe(&bus, QueueName::unrouted().as_str(), 1).await, 1).await, [3]);
}
