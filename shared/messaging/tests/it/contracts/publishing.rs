//! Publishing: confirmed means kept.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use messaging::{BusState, Message, PublishError};
use protocol::topology::{Lane, QueueName, Topology};
use tokio::task::JoinSet;

use crate::running::{Place, Running, full_properties, message, within, work};

pub(crate) async fn what_is_confirmed_is_in_every_queue_that_is_bound_for_it(place: &impl Place) {
    let queues = [work("one", "message.received.*"), work("two", "message.#"), work("other", "message.sent.a")];
    let running = Running::open(&place.url(), &queues).await;
    let body = Bytes::from("{\"text\": \"Grüße 😀\"}\u{0}");
    let properties = full_properties("full");
    let full = Message { properties: properties.clone(), body: body.clone(), ..message("message.received.a", "") };
    running.publish(full).await;
    running.publish(message("message.sent.a", "bare")).await;

    for queue in ["one", "two"] {
        let taken = running.take(queue, 1).await.remove(0);
        assert_eq!((taken.queue.as_str(), taken.routing_key.as_str()), (queue, "message.received.a"));
        assert_eq!((&taken.properties, &taken.body, taken.redelivered), (&properties, &body, false));
    }
    for queue in ["other", "two"] {
        let taken = running.take(queue, 1).await.remove(0);
        assert_eq!(taken.properties, message("", "bare").properties);
    }
    running.close().await;
}

pub(crate) async fn what_no_queue_is_bound_for_is_kept(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "message.received.*")]).await;
    let properties = full_properties("lost?");
    running.publish(Message { properties: properties.clone(), ..message("nobody.listens", "") }).await;
    let taken = running.take("tropomq.unrouted", 1).await.remove(0);
    assert_eq!((taken.routing_key.as_str(), &taken.properties), ("nobody.listens", &properties));
    running.close().await;
}

pub(crate) async fn a_command_that_no_lane_takes_is_kept(place: &impl Place) {
    let topology = Topology::new(&[Lane { backend: "a".parse().unwrap(), single_active_consumer: true }]);
    let running = Running::open(&place.url(), &topology.queues).await;
    running.publish(message("message.send.b", "without a lane")).await;
    running.publish(message("message.send.a", "with a lane")).await;
    assert_eq!(running.take_ids("tropomq.unrouted", 1).await, ["without a lane"]);
    assert_eq!(running.take_ids("egress.message.send.a", 1).await, ["with a lane"]);
    assert_eq!(running.take_ids("journal.events", 1).await, ["with a lane"]);
    running.close().await;
}

/// Half of the messages are for a queue, a quarter for none, a quarter for a queue that is soon full.
pub(crate) async fn each_confirm_is_credited_to_its_own_message(place: &impl Place) {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 2000;
    let running = Running::open(&place.url(), &[work("bound", "bound")]).await;
    let full = place.refuse("full").await;
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let bus = std::sync::Arc::clone(&running.bus);
        publishers.spawn(async move {
            let publishing = (0..EACH).map(|i| {
                let routing_key = ["bound", "unbound", "bound", "full"][i % 4];
                let id = format!("{publisher} {i} {routing_key}");
                let message = message(routing_key, &id);
                let bus = &bus;
                async move { (id, bus.publish(message).await) }
            });
            futures::future::join_all(publishing).await
        });
    }
    let results: BTreeMap<String, Result<(), PublishError>> =
        within("every confirm", publishers.join_all()).await.into_iter().flatten().collect();
    assert_eq!(results.len(), PUBLISHERS * EACH);

    let refused: BTreeSet<&String> = results.iter().filter(|(_, result)| result.is_err()).map(|(id, _)| id).collect();
    assert!(results.values().all(|result| matches!(result, Ok(()) | Err(PublishError::Refused))));
    assert_eq!(full.is_some(), !refused.is_empty());
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let full_count = PUBLISHERS * EACH / 4 - refused.len();
    let unrouted = if full.is_some() { 1 } else { 2 } * PUBLISHERS * EACH / 4;
    kept.extend(running.take_ids("bound", PUBLISHERS * EACH / 2).await);
    kept.extend(running.take_ids("tropomq.unrouted", unrouted).await);
    if let Some(full) = full {
        kept.extend(running.take_ids(QueueName::as_str(&full), full_count).await);
    }
    for (id, result) in &results {
        assert_eq!(kept.contains(id), result.is_ok(), "{id}: {result:?}");
    }
    running.close().await;
}

pub(crate) async fn messages_of_one_publisher_keep_their_order(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    let ids: Vec<String> = (0..600).map(|i| format!("{i:03}")).collect();
    let results = running.publish_all(ids.iter().map(|id| message("x", id)).collect()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(running.take_ids("one", ids.len()).await, ids);
    running.close().await;
}

pub(crate) async fn what_was_published_before_closing_is_answered_and_nothing_is_taken_after(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "#")]).await;
    let bus = std::sync::Arc::clone(&running.bus);
    let publishing = running.publish_all((0..200).map(|i| message("x", &i.to_string())).collect());
    let (results, ()) = futures::join!(publishing, within("the bus closes", bus.close()));
    assert_eq!(*bus.state().borrow(), BusState::Closed);
    let late = bus.publish(message("x", "late")).await;
    assert!(matches!(late, Err(PublishError::Unavailable(_))), "{late:?}");
    running.close().await;

    let taken: BTreeSet<String> = {
        let running = Running::open(&place.url(), &[work("one", "#")]).await;
        let taken = running.take_up_to("one", "x").await;
        running.close().await;
        taken.iter().map(crate::running::Taken::id).collect()
    };
    for (i, result) in results.iter().enumerate() {
        let confirmed = match result {
            Ok(()) => true,
            Err(PublishError::Unavailable(_)) => false,
            Err(other) => panic!("{i}: {other}"),
        };
        assert_eq!(taken.contains(&i.to_string()), confirmed, "{i}: {result:?}");
    }
}
