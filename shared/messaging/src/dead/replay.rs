//! Puts a letter back where it was before it died.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use protocol::topology::{DEAD, QueueName, UNROUTED};

use super::{DeadError, Outcome, Place};
use crate::headers::{QUEUE, REPLAYED_AT, ROUTING_KEY};
use crate::{Bus, Delivery, Destination, Environment, Message, Properties, PublishError, observe};

/// What the headers that are ours begin with.
const OURS: &str = "tropomq-";

/// Publishes letters again.
pub(super) struct Replay<'a> {
    bus: &'a dyn Bus,
    environment: &'a Environment,
    place: Place,
    /// Which queues are there.
    queues: BTreeMap<QueueName, bool>,
    /// Whether one was published: then the next waits for its turn.
    begun: bool,
}

impl<'a> Replay<'a> {
    pub(super) fn new(bus: &'a dyn Bus, environment: &'a Environment, place: Place) -> Self {
        Self { bus, environment, place, queues: BTreeMap::new(), begun: false }
    }

    /// Whether it could be replayed.
    pub(super) async fn rehearse(&mut self, delivery: &Delivery) -> Result<Outcome, DeadError> {
        Ok(match self.destination(delivery).await? {
            Ok(_) => Outcome::Replayable,
            Err(reason) => Outcome::NotReplayable(reason),
        })
    }

    /// Publishes it, and returns once that is confirmed. The caller acknowledges.
    ///
    /// # Errors
    /// The bus did not confirm it, and would not confirm the next.
    pub(super) async fn publish(&mut self, delivery: &Delivery, rate: NonZeroU32) -> Result<Outcome, DeadError> {
        let destination = match self.destination(delivery).await? {
            Ok(destination) => destination,
            Err(reason) => return Ok(Outcome::NotReplayable(reason)),
        };
        if self.begun {
            self.environment.clock.sleep(Duration::from_secs(1) / rate.get()).await;
        }
        self.begun = true;
        let queue = match &destination {
            Destination::Delayed { queue, .. } => queue.clone(),
            Destination::Topic { .. } | Destination::Dead => delivery.queue.clone(),
        };
        let properties = self.properties(&delivery.properties);
        let message = Message { destination, properties, body: delivery.body.clone() };
        match self.bus.publish(message).await {
            Ok(()) => {
                observe::put_back(self.bus.system(), &queue);
                Ok(Outcome::Replayed)
            }
            Err(error @ PublishError::Refused) => Ok(Outcome::NotReplayable(error.to_string())),
            Err(source @ (PublishError::Unavailable(_) | PublishError::NoRoom(_) | PublishError::Unknown(_))) => {
                let id = delivery.properties.message_id.clone().unwrap_or_else(|| "without id".to_owned());
                Err(DeadError::Publish { id, source })
            }
        }
    }

    /// The queue that it was taken from, and no other that is bound for the same messages; or the reason why not.
    async fn destination(&mut self, delivery: &Delivery) -> Result<Result<Destination, String>, DeadError> {
        let headers = &delivery.properties.headers;
        let Some(name) = headers.get(QUEUE) else {
            // One that found its queue gone on its way back has come under the name of that queue.
            let routing_key = headers.get(ROUTING_KEY).unwrap_or(&delivery.routing_key).clone();
            return Ok(match self.place {
                Place::Dead => Err("it does not say which queue it came from".to_owned()),
                Place::Unrouted => Ok(Destination::Topic { routing_key }),
            });
        };
        if matches!(name.as_str(), DEAD | UNROUTED) {
            return Ok(Err(format!("it came from {name}, where nobody would handle it")));
        }
        let queue = QueueName::from(name.as_str());
        let is_there = match self.queues.get(&queue) {
            Some(is_there) => *is_there,
            None => {
                let is_there = self.bus.depth(&queue).await?.is_some();
                self.queues.insert(queue.clone(), is_there);
                is_there
            }
        };
        Ok(if is_there {
            Ok(Destination::Delayed { queue, delay: Duration::ZERO })
        } else {
            Err(format!("its queue {name} does not exist any more"))
        })
    }

    /// As they were, so that it is recognized. Of the headers that tell of its failure none is left, or it would go on
    /// from its last attempt; the routing key stays, because it comes back under the name of its queue.
    fn properties(&self, before: &Properties) -> Properties {
        let mut after = before.clone();
        after.headers.retain(|name, _| name == ROUTING_KEY || !name.starts_with(OURS));
        after.headers.insert(REPLAYED_AT.to_owned(), self.environment.now().to_string());
        after
    }
}
