//! What is declared, and what becomes of it.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use messaging::headers::{DEAD_AT, QUEUE, REASON, ROUTING_KEY};
use messaging::{BusState, BusUrl, Destination, Message};
use protocol::Timestamp;
use protocol::topology::{Bound, DELIVERY_LIMIT, Lane, Queue, QueueName, Topology};
use testkit::Vhost;

use super::OtherClient;
use crate::running::{Place, Running, Taken, full_properties, message, next, within, work};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_settings_is_used_as_it_is_and_stops_nothing() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    other.declare("one", FieldTable::default()).await;
    let running = Running::open(&Place::url(&vhost), &[work("one", "#"), work("two", "#")]).await;
    running.publish(message("x", "a")).await;
    assert_eq!(running.take_ids("one", 1).await, ["a"]);
    assert_eq!(running.take_ids("two", 1).await, ["a"]);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_a_queue_that_is_gone_is_unrouted_and_holds_nothing_up() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let running = Running::open(&Place::url(&vhost), &[work("one", "a"), work("two", "b")]).await;
    let delayed = |queue: &str, id: &str| Message {
        destination: Destination::Delayed { queue: queue.into(), delay: Duration::from_millis(400) },
        ..message("x", id)
    };
    // More than a broker's dead-letter worker holds at once.
    for n in 0..40 {
        running.publish(delayed("one", &format!("gone-{n}"))).await;
    }
    other.delete("one").await;
    running.publish(delayed("two", "here")).await;
    assert_eq!(running.take_ids("two", 1).await, ["here"]);
    assert_eq!(running.take("tropomq.unrouted", 40).await.len(), 40);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_whose_queue_is_gone_is_unrouted_though_a_record_takes_it() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let bound = Some(Bound { messages_max: 100, age_max: Duration::from_hours(1) });
    let record = Queue { bound, ..work("record", "#") };
    let running = Running::open(&Place::url(&vhost), &[work("one", "a"), work("two", "b"), record]).await;
    other.delete("one").await;
    for (key, id) in [("a", "gone"), ("b", "here"), ("c", "nobody's work")] {
        running.publish(message(key, id)).await;
    }
    assert_eq!(running.take_ids("record", 3).await, ["gone", "here", "nobody's work"]);
    assert_eq!(running.take_ids("two", 1).await, ["here"]);
    // What is on record and was never anybody's work is no mistake.
    running.publish(message("a", "gone too")).await;
    assert_eq!(running.take_ids("tropomq.unrouted", 2).await, ["gone", "gone too"]);
    // The queue comes back with its consumer, and gets its work again.
    let mut one = running.subscribe("one", 1).await;
    running.publish(message("a", "back")).await;
    let delivery = next(&mut *one).await;
    assert_eq!(delivery.properties.message_id.as_deref(), Some("back"));
    delivery.settler.ack().await;
    drop(one);
    running.close().await;
}

/// As releases before the exchange of work bound them. The bindings stay: nobody knows who else relies on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_bound_to_both_exchanges_gets_each_message_once() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let queues = [work("one", "message.send.*")];
    Running::open(&Place::url(&vhost), &queues).await.close().await;
    other.bind("one", "message.send.*").await;
    let running = Running::open(&Place::url(&vhost), &queues).await;
    running.publish(message("message.send.a", "a")).await;
    running.publish(message("message.send.b", "b")).await;
    let taken = running.take_up_to("one", "message.send.c").await;
    assert_eq!(taken.iter().map(Taken::id).collect::<Vec<_>>(), ["a", "b"]);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buses_that_begin_at_once_on_an_empty_broker_are_all_ready() {
    let vhost = Vhost::fresh();
    let url = Place::url(&vhost);
    let topology = Topology::new(&[Lane { backend: "a".parse().unwrap(), single_active_consumer: true }]);
    let buses: Vec<Running> = (0..3).map(|_| Running::start(&url, &topology)).collect();
    let queues: Vec<&str> = topology.queues.iter().map(|queue| queue.name.as_str()).collect();
    let subscribing = buses.iter().flat_map(|bus| queues.iter().map(|queue| bus.subscribe(queue, 1)));
    let subscriptions = within("all subscriptions", futures::future::join_all(subscribing)).await;
    for bus in &buses {
        bus.reaches(|state| *state == BusState::Ready).await;
    }
    drop(subscriptions);
    buses[0].publish(message("message.send.a", "a")).await;
    assert_eq!(buses[1].take_ids("egress.message.send.a", 1).await, ["a"]);
    for bus in buses {
        bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_comes_back_with_its_consumer() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let running = Running::open(&Place::url(&vhost), &[work("one", "#"), work("two", "#")]).await;
    let mut one = running.subscribe("one", 10).await;
    let mut two = running.subscribe("two", 10).await;
    other.delete("one").await;
    assert!(within("the end of the subscription", one.next()).await.is_none());
    assert!(within("the end of the subscription", one.next()).await.is_none());
    let mut one = running.subscribe("one", 10).await;
    running.publish(message("x", "a")).await;
    for subscription in [&mut one, &mut two] {
        let delivery = next(&mut **subscription).await;
        assert_eq!(delivery.properties.message_id.as_deref(), Some("a"));
        delivery.settler.ack().await;
    }
    drop((one, two));
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_nobody_declares_cannot_be_consumed_and_harms_no_other() {
    let vhost = Vhost::fresh();
    let running = Running::open(&Place::url(&vhost), &[work("one", "#")]).await;
    let mut one = running.subscribe("one", 10).await;
    let refused = running.bus.subscribe(&"no such queue".into(), 1).await.err().unwrap();
    assert!(refused.reason.contains("no queue 'no such queue'"), "{refused}");
    running.publish(message("x", "a")).await;
    next(&mut *one).await.settler.ack().await;
    drop(one);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_out_too_often_is_dead_and_says_why() {
    let vhost = Vhost::fresh();
    let running = Running::open(&Place::url(&vhost), &[work("one", "message.send.a")]).await;
    let began = Timestamp::now();
    running.publish(message("message.send.a", "deadly")).await;
    let mut subscription = running.subscribe("one", 1).await;
    for _ in 0..=DELIVERY_LIMIT {
        next(&mut *subscription).await.settler.requeue().await;
    }
    let dead = running.take("tropomq.dead", 1).await.remove(0);
    assert_eq!(dead.id(), "deadly");
    assert_eq!((dead.header(REASON), dead.header(QUEUE)), ("delivery_limit", "one"));
    assert_eq!((dead.header(ROUTING_KEY), dead.routing_key.as_str()), ("message.send.a", "message.send.a"));
    let dead_at: Timestamp = dead.header(DEAD_AT).parse().unwrap();
    // The broker tells whole seconds.
    assert!(began.as_second() <= dead_at.as_second() && dead_at <= Timestamp::now(), "{dead_at}");
    drop(subscription);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_drops_what_is_too_old() {
    let vhost = Vhost::fresh();
    let age_max = Duration::from_millis(300);
    let queue = Queue { bound: Some(Bound { messages_max: 100, age_max }), ..work("record", "#") };
    let running = Running::open(&Place::url(&vhost), &[queue]).await;
    running.publish(message("x", "old")).await;
    // The passing of time is what is tested; no condition tells of it.
    tokio::time::sleep(age_max * 2).await;
    running.publish(message("x", "young")).await;
    assert_eq!(running.take_ids("record", 1).await, ["young"]);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_reads_and_writes_the_same_messages() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let running = Running::open(&Place::url(&vhost), &[work("one", "#")]).await;
    let properties = full_properties("ours");
    running.publish(Message { properties: properties.clone(), ..message("x", "") }).await;
    let got = other.channel.basic_get("one".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    let read = &got.properties;
    assert_eq!(*read.delivery_mode(), Some(2));
    assert_eq!(read.content_type().as_ref().map(ShortString::as_str), Some("application/json"));
    assert_eq!(read.kind().as_ref().map(ShortString::as_str), properties.message_type.as_deref());
    let traceparent = read.headers().as_ref().unwrap().inner().get("traceparent");
    assert_eq!(traceparent, Some(&AMQPValue::LongString(properties.headers["traceparent"].as_str().into())));

    let mut headers = FieldTable::default();
    headers.insert("n".into(), AMQPValue::LongInt(-5));
    headers.insert("b".into(), AMQPValue::Boolean(true));
    let theirs = BasicProperties::default().with_message_id("theirs".into()).with_headers(headers);
    let options = BasicPublishOptions::default();
    let published = other.channel.basic_publish("tropomq".into(), "x".into(), options, b"body", theirs);
    published.await.unwrap().await.unwrap();
    let taken = running.take("one", 1).await.remove(0);
    assert_eq!((taken.id().as_str(), taken.header("n"), taken.header("b")), ("theirs", "-5", "true"));
    assert_eq!(&taken.body[..], b"body");
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lets_nobody_in_is_told_without_the_password() {
    let vhost = Vhost::fresh();
    for url in [
        Vhost::url(&vhost).replace("guest:guest", "guest:s3cret"),
        Vhost::url(&vhost).replace("guest:guest", "guest:s3cret") + "-not-there",
        format!("amqp://guest:s3cret@127.0.0.1:{}/x", testkit::free_port().unwrap()),
    ] {
        let running = Running::start(&url.parse::<BusUrl>().unwrap(), &Topology::default());
        let tried = |state: &BusState| matches!(state, BusState::Away(reason) if reason.contains("cannot connect"));
        let BusState::Away(reason) = running.reaches(tried).await else { panic!("not away") };
        assert!(!reason.contains("s3cret"), "{reason}");
        let refused = within("a refusal", running.bus.publish(message("x", "a"))).await.unwrap_err();
        assert_eq!(refused, messaging::PublishError::Unavailable(reason));
        let refused = running.bus.subscribe(&"one".into(), 1).await.err().unwrap().to_string();
        assert!(refused.contains("cannot connect") && !refused.contains("s3cret"), "{refused}");
        tokio::time::timeout(Duration::from_secs(5), running.close()).await.unwrap();
    }
}

/// A broker allows 2,047 channels on a connection unless it is told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_more_queues_than_a_connection_has_channels_gets_another_connection() {
    let vhost = Vhost::fresh();
    let url: BusUrl = format!("{}?channel_max=8", Vhost::url(&vhost)).parse().unwrap();
    let queues: Vec<_> = (0..10).map(|number| format!("work-{number}")).collect();
    let running = Running::open(&url, &queues.iter().map(|queue| work(queue, queue)).collect::<Vec<_>>()).await;
    let among = QueueName::from("work-0");
    let subscribing = queues.iter().map(|queue| running.subscribe(queue, 1));
    let mut subscriptions = futures::future::join_all(subscribing).await;
    for (queue, subscription) in queues.iter().zip(&mut subscriptions) {
        running.publish(message(queue, queue)).await;
        let delivery = next(&mut **subscription).await;
        assert_eq!(delivery.properties.message_id.as_deref(), Some(queue.as_str()));
        delivery.settler.ack().await;
        // The seat stays with the connection on which it was taken, whichever the last one is.
        let seat = within("a seat", running.bus.seat(&among)).await.unwrap();
        assert_eq!((seat.number, seat.of), (0, 1));
    }
    // All of them end with the bus.
    running.close().await;
    for subscription in &mut subscriptions {
        assert!(within("the end of a consumer", subscription.next()).await.is_none());
    }
}
