//! Consuming: what is not settled comes again.

use std::collections::BTreeSet;
use std::time::Duration;

use messaging::Delivery;
use protocol::topology::Queue;
use tokio::time::timeout;

use crate::running::{Place, Running, Taken, assert_silent, message, next, within, work};

async fn filled(place: &impl Place, ids: &[&str]) -> Running {
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    for id in ids {
        running.publish(message("x", id)).await;
    }
    running
}

fn id(delivery: &Delivery) -> String {
    Taken::from(delivery).id()
}

pub(crate) async fn what_is_acknowledged_is_gone(place: &impl Place) {
    let running = filled(place, &["a", "b", "c"]).await;
    assert_eq!(running.take_ids("one", 3).await, ["a", "b", "c"]);
    running.close().await;
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    assert_eq!(running.take_up_to("one", "x").await, []);
    running.close().await;
}

pub(crate) async fn what_is_put_back_comes_again_and_says_so(place: &impl Place) {
    let running = filled(place, &["a"]).await;
    let mut subscription = running.subscribe("one", 10).await;
    let first = next(&mut *subscription).await;
    let before = Taken::from(&first);
    assert!(!before.redelivered);
    first.settler.requeue().await;
    let second = next(&mut *subscription).await;
    assert_eq!(Taken::from(&second), Taken { redelivered: true, ..before });
    second.settler.ack().await;
    drop(subscription);
    assert_eq!(running.take_up_to("one", "x").await, []);
    running.close().await;
}

pub(crate) async fn what_a_dropped_subscription_held_goes_back(place: &impl Place) {
    let running = filled(place, &["a", "b", "c"]).await;
    let mut subscription = running.subscribe("one", 10).await;
    let (a, b) = (next(&mut *subscription).await, next(&mut *subscription).await);
    assert_eq!((id(&a), id(&b)), ("a".to_owned(), "b".to_owned()));
    drop(subscription);
    let mut taken = running.take("one", 3).await;
    taken.sort_by_key(Taken::id);
    assert_eq!(taken.iter().map(Taken::id).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(taken[0].redelivered && taken[1].redelivered);
    // Too late: settling what another has meanwhile changes nothing.
    a.settler.ack().await;
    b.settler.requeue().await;
    assert_eq!(running.take_up_to("one", "x").await, []);
    running.close().await;
}

pub(crate) async fn a_crash_loses_nothing_that_was_confirmed(place: &impl Place) {
    let running = filled(place, &["settled", "unsettled", "unread", "last"]).await;
    let mut subscription = running.subscribe("one", 2).await;
    let settled = next(&mut *subscription).await;
    assert_eq!(id(&settled), "settled");
    settled.settler.ack().await;
    let unsettled = next(&mut *subscription).await;
    assert_eq!(id(&unsettled), "unsettled");
    running.crash().await;
    drop((subscription, unsettled));

    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    let taken = running.take("one", 3).await;
    let ids: BTreeSet<String> = taken.iter().map(Taken::id).collect();
    assert_eq!(ids, BTreeSet::from(["unsettled", "unread", "last"].map(str::to_owned)));
    assert!(taken.iter().any(|taken| taken.id() == "unsettled" && taken.redelivered));
    assert_eq!(running.take_up_to("one", "x").await, []);
    running.close().await;
}

pub(crate) async fn what_is_unsettled_is_bounded_by_the_prefetch(place: &impl Place) {
    let running = filled(place, &["a", "b", "c", "d", "e", "f"]).await;
    let mut subscription = running.subscribe("one", 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut *subscription).await);
    }
    assert_silent(&mut *subscription).await;
    held.remove(1).settler.ack().await;
    held.push(next(&mut *subscription).await);
    assert_eq!(held.iter().map(id).collect::<Vec<_>>(), ["a", "c", "d"]);
    assert_silent(&mut *subscription).await;
    drop(subscription);
    let left: BTreeSet<String> = running.take_ids("one", 5).await.into_iter().collect();
    assert_eq!(left, BTreeSet::from(["a", "c", "d", "e", "f"].map(str::to_owned)));
    running.close().await;
}

pub(crate) async fn one_consumer_at_a_time_gets_everything_where_the_queue_says_so(place: &impl Place) {
    let queue = Queue { single_active_consumer: true, ..work("one", "#") };
    let running = Running::open(&place.url(), &[queue]).await;
    let mut first = running.subscribe("one", 10).await;
    let mut second = running.subscribe("one", 10).await;
    for id in ["a", "b", "c"] {
        running.publish(message("x", id)).await;
    }
    let a = next(&mut *first).await;
    let b = next(&mut *first).await;
    assert_eq!((id(&a), id(&b)), ("a".to_owned(), "b".to_owned()));
    a.settler.ack().await;
    assert_silent(&mut *second).await;
    drop(first);
    running.publish(message("x", "d")).await;
    for expected in ["b", "c", "d"] {
        let delivery = next(&mut *second).await;
        assert_eq!(id(&delivery), expected);
        delivery.settler.ack().await;
    }
    drop(second);
    running.close().await;
}

pub(crate) async fn many_consumers_share_a_queue(place: &impl Place) {
    const COUNT: usize = 40;
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    let mut subscriptions = Vec::new();
    for _ in 0..4 {
        subscriptions.push(running.subscribe("one", 5).await);
    }
    running.publish_all((0..COUNT).map(|i| message("x", &i.to_string())).collect()).await;
    let mut ids = BTreeSet::new();
    // Each has its share while no other can take more: nothing is settled yet.
    let mut held = Vec::new();
    for subscription in &mut subscriptions {
        for _ in 0..5 {
            held.push(next(&mut **subscription).await);
        }
    }
    for delivery in held {
        assert!(ids.insert(id(&delivery)), "twice: {delivery:?}");
        delivery.settler.ack().await;
    }
    while ids.len() < COUNT {
        let waiting = subscriptions.iter_mut().map(|subscription| subscription.next());
        let (delivery, _, _) = within("the rest", futures::future::select_all(waiting)).await;
        let delivery = delivery.unwrap();
        assert!(ids.insert(id(&delivery)), "twice: {delivery:?}");
        delivery.settler.ack().await;
    }
    drop(subscriptions);
    running.close().await;
}

pub(crate) async fn no_delivery_is_lost_when_waiting_for_it_is_given_up(place: &impl Place) {
    const COUNT: usize = 200;
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    let mut subscription = running.subscribe("one", 10).await;
    let ids: Vec<String> = (0..COUNT).map(|i| i.to_string()).collect();
    let publishing = async {
        for id in &ids {
            running.publish(message("x", id)).await;
        }
    };
    let consuming = async {
        let mut taken = Vec::new();
        while taken.len() < COUNT {
            // Too short to succeed always, too long to fail always.
            if let Ok(delivery) = timeout(Duration::from_micros(300), subscription.next()).await {
                let delivery = delivery.unwrap();
                taken.push(id(&delivery));
                delivery.settler.ack().await;
            }
        }
        taken
    };
    let (taken, ()) = within("every delivery", async { futures::join!(consuming, publishing) }).await;
    assert_eq!(taken, ids);
    drop(subscription);
    running.close().await;
}

pub(crate) async fn after_cancelling_what_is_in_hand_is_settled_and_no_more_comes(place: &impl Place) {
    let running = filled(place, &["a", "b"]).await;
    let mut subscription = running.subscribe("one", 10).await;
    let (a, b) = (next(&mut *subscription).await, next(&mut *subscription).await);
    within("the subscription is cancelled", subscription.cancel()).await;
    running.publish(message("x", "later")).await;
    assert!(within("the end", subscription.next()).await.is_none());
    a.settler.ack().await;
    b.settler.requeue().await;
    drop(subscription);
    let left: BTreeSet<String> = running.take_ids("one", 2).await.into_iter().collect();
    assert_eq!(left, BTreeSet::from(["b", "later"].map(str::to_owned)));
    running.close().await;
}
