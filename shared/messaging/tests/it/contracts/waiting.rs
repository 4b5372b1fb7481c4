//! Delays, dead letters and records.

use std::time::{Duration, Instant};

use messaging::headers::{ERROR, QUEUE, REASON, ROUTING_KEY};
use messaging::{Destination, Message};
use protocol::topology::{Bound, DELIVERY_LIMIT, Queue, QueueName, retry_level, retry_name};

use crate::running::{Place, Running, full_properties, message, message_to, next, within, work};

fn delayed(delay: Duration, id: &str) -> Message {
    message_to(Destination::Delayed { queue: "one".into(), delay }, id)
}

pub(crate) async fn a_delayed_message_comes_back_whole_and_not_too_early(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x"), work("two", "#")]).await;
    for delay in [Duration::ZERO, Duration::from_millis(70), Duration::from_millis(650)] {
        let started = Instant::now();
        let properties = full_properties("later");
        let message = Message { properties: properties.clone(), ..delayed(delay, "") };
        let body = message.body.clone();
        running.publish(message).await;
        let taken = running.take("one", 1).await.remove(0);
        assert!(delay <= started.elapsed(), "{delay:?}");
        assert_eq!((taken.properties, taken.body, taken.redelivered), (properties, body, false));
        assert_eq!(taken.routing_key, "one");
    }
    assert_eq!(running.take_up_to("two", "y").await, [], "it went to a queue that it was not meant for");
    running.close().await;
}

pub(crate) async fn a_short_delay_does_not_wait_behind_a_long_one(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(2));
    running.publish(delayed(long, "long")).await;
    running.publish(delayed(short, "short")).await;
    running.publish(delayed(short, "as short")).await;
    assert_eq!(running.take_ids("one", 3).await, ["short", "as short", "long"]);
    running.close().await;
}

pub(crate) async fn a_delayed_message_survives_a_crash(place: &impl Place) {
    let delay = Duration::from_millis(900);
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let started = Instant::now();
    running.publish(delayed(delay, "later")).await;
    running.crash().await;
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    assert_eq!(running.take_ids("one", 1).await, ["later"]);
    assert!(delay <= started.elapsed());
    running.close().await;
}

pub(crate) async fn a_dead_letter_is_kept(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    let mut properties = full_properties("dead");
    for (name, value) in [(REASON, "failed"), (ERROR, "no"), (QUEUE, "one"), (ROUTING_KEY, "message.sent.a")] {
        properties.headers.insert(name.to_owned(), value.to_owned());
    }
    running.publish(Message { properties: properties.clone(), ..message_to(Destination::Dead, "") }).await;
    let taken = running.take("tropomq.dead", 1).await.remove(0);
    assert_eq!(taken.properties, properties);
    assert_eq!(running.take_up_to("one", "x").await, []);
    running.close().await;
}

pub(crate) async fn a_dead_letter_is_copied_to_its_record(place: &impl Place) {
    let record = Queue { dead_letters: true, bindings: Vec::new(), ..work("record", "") };
    let running = Running::open(&place.url(), &[work("one", "a"), record]).await;
    let mut properties = full_properties("given up");
    properties.headers.insert(QUEUE.to_owned(), "one".to_owned());
    running.publish(Message { properties: properties.clone(), ..message_to(Destination::Dead, "") }).await;
    // What the bus gives up by itself is copied as well.
    running.publish(message("a", "deadly")).await;
    let mut subscription = running.subscribe("one", 1).await;
    for _ in 0..=DELIVERY_LIMIT {
        next(&mut *subscription).await.settler.requeue().await;
    }
    for queue in ["tropomq.dead", "record"] {
        let mut taken = running.take(queue, 2).await;
        taken.sort_by_key(|taken| std::cmp::Reverse(taken.id()));
        assert_eq!(taken[0].properties, properties, "{queue}");
        assert_eq!(taken[1].id(), "deadly", "{queue}");
    }
    drop(subscription);
    running.close().await;
}

pub(crate) async fn what_is_in_queues_is_counted(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "a"), work("two", "b")]).await;
    for id in ["1", "2", "3"] {
        running.publish(message("a", id)).await;
    }
    running.publish(delayed(Duration::from_mins(30), "4")).await;
    let mut subscription = running.subscribe("one", 1).await;
    let in_hand = next(&mut *subscription).await;
    let level = QueueName::from(retry_name(retry_level(Duration::from_mins(30))).as_str());
    let (one, two, absent) = ("one".into(), "two".into(), "not there".into());
    let queues = [one, two, absent, level];
    let [one, two, _, level] = &queues;
    // A broker's counts may be a moment late.
    let counted = within("the counts", async {
        loop {
            let counted = running.bus.depths(&queues).await.unwrap();
            if (counted[one].ready, counted[one].consumers) == (2, 1) {
                return counted;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // A bus that tells what is in hand tells what waits for the queue; or else that is on the queue of its level.
    let (hidden, delayed) = (counted[one].in_hand.is_none(), counted[one].delayed);
    assert!(counted[one].in_hand == Some(1) || hidden, "{counted:?}");
    let waiting = counted.get(level).map(|level| level.ready);
    assert_eq!((delayed, waiting), if hidden { (None, Some(1)) } else { (Some(1), None) });
    assert_eq!((counted[two].ready, counted[two].consumers), (0, 0));
    // A queue that is not there is no empty one.
    assert_eq!(counted.len(), if hidden { 3 } else { 2 }, "{counted:?}");
    in_hand.settler.ack().await;
    drop(subscription);
    running.close().await;
}

pub(crate) async fn a_record_drops_its_oldest(place: &impl Place) {
    let bound = Some(Bound { messages_max: 5, age_max: Duration::from_hours(1) });
    let queues = [Queue { bound, ..work("record", "#") }, work("one", "#")];
    let running = Running::open(&place.url(), &queues).await;
    let ids: Vec<String> = (0..12).map(|i| i.to_string()).collect();
    for id in &ids {
        running.publish(message("x", id)).await;
    }
    assert_eq!(running.take_ids("record", 5).await, ids[7..]);
    assert_eq!(running.take_ids("one", 12).await, ids);
    // What a bound removes is gone, and no dead letter.
    running.publish(message_to(Destination::Dead, "the only one")).await;
    assert_eq!(running.take_ids("tropomq.dead", 1).await, ["the only one"]);
    running.close().await;
}
