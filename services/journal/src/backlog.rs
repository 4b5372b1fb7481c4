//! What waits on the queues, told as metrics: once for the whole system, so that no other service needs to ask the bus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use messaging::{Bus, Depth, Depths, Environment};
use protocol::topology::{QueueName, RETRY_LEVELS, Topology, retry_name};
use tokio_util::sync::CancellationToken;

use crate::observe;

/// How often the bus is asked.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// What all queues together are called in which something waits to be tried again.
const RETRY: &str = "tropomq.retry";

/// Counts the queues of a topology, those for what is dead, unrouted or waits to be tried again among them, until shutdown
/// is requested. While the bus does not answer, nothing is told.
pub async fn backlog(bus: Arc<dyn Bus>, topology: Topology, environment: Environment, shutdown: CancellationToken) {
    let queues = queues(&topology);
    queues.iter().for_each(observe::serves);
    loop {
        match bus.depths(&queues).await {
            Ok(depths) => observe::backlog(bus.system(), merged(&depths)),
            Err(error) => observe::not_counted(&error),
        }
        if shutdown.run_until_cancelled(environment.clock.sleep(COUNT_EVERY)).await.is_none() {
            return;
        }
    }
}

fn queues(topology: &Topology) -> Vec<QueueName> {
    let retry = RETRY_LEVELS.into_iter().map(|level| QueueName::from(retry_name(level).as_str()));
    let named = topology.queues.iter().map(|queue| queue.name.clone());
    named.chain([QueueName::dead(), QueueName::unrouted()]).chain(retry).collect()
}

/// By what a queue is called in metrics.
fn merged(depths: &Depths) -> BTreeMap<String, Depth> {
    let mut merged: BTreeMap<String, Depth> = BTreeMap::new();
    for (queue, depth) in depths {
        let is_retry = queue.as_str().strip_prefix(RETRY).is_some_and(|level| level.starts_with('.'));
        let (name, depth) = match is_retry {
            true => (RETRY.to_owned(), Depth { ready: 0, delayed: Some(depth.ready), ..*depth }),
            false => (place(queue), *depth),
        };
        let sum = merged.entry(name).or_default();
        let more =
            |one: Option<u64>, other: Option<u64>| one.map_or(other, |one| Some(one + other.unwrap_or_default()));
        *sum = Depth {
            ready: sum.ready + depth.ready,
            in_hand: more(sum.in_hand, depth.in_hand),
            delayed: more(sum.delayed, depth.delayed),
            consumers: sum.consumers + depth.consumers,
        };
    }
    merged
}

/// What a queue is called in metrics: the texts of people are in one place, whatever their shard.
pub(crate) fn place(queue: &QueueName) -> String {
    let is_texts = QueueName::texts().any(|texts| texts == *queue);
    if is_texts { QueueName::received().to_string() } else { queue.to_string() }
}

#[cfg(test)]
mod tests {
    use protocol::topology::Lane;

    use super::*;

    #[test]
    fn shards_are_one_place_and_so_is_what_waits_to_be_tried_again() {
        let depth = |ready, in_hand| Depth { ready, in_hand, delayed: None, consumers: 1 };
        let shards = QueueName::shards().map(|shard| (shard, depth(2, None)));
        let levels = RETRY_LEVELS.map(|level| (QueueName::from(retry_name(level).as_str()), depth(3, None)));
        let lane = QueueName::from("egress.message.send.east");
        let depths: Depths = shards.chain(levels).chain([(lane, depth(5, Some(4)))]).collect();
        let expected = [
            ("egress.message.send.east", depth(5, Some(4))),
            ("router.message.received", Depth { consumers: 16, ..depth(32, None) }),
            ("tropomq.retry", Depth { ready: 0, in_hand: None, delayed: Some(36), consumers: 12 }),
        ];
        assert_eq!(merged(&depths), expected.map(|(name, depth)| (name.to_owned(), depth)).into());
    }

    #[test]
    fn every_place_where_a_message_can_wait_is_counted() {
        let lane = Lane { backend: "east".parse().unwrap(), single_active_consumer: false };
        let queues = queues(&Topology::new(&[lane]));
        for name in ["router.message.received.07", "egress.message.send.east", "journal.dead", "tropomq.dead"] {
            assert!(queues.contains(&QueueName::from(name)), "{name} is not counted");
        }
        assert!(queues.contains(&QueueName::unrouted()));
        assert_eq!(queues.iter().filter(|queue| queue.as_str().starts_with("tropomq.retry.")).count(), 12);
    }
}
