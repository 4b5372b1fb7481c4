//! Puts a letter back where it was before it died.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use protocol::Timestamp;
use protocol::topology::{DEAD, QueueName, UNROUTED};

use super::{Data, DeadError, Outcome, Place, edit, ready};
use crate::headers::{DEAD_AT, EDITED_AT, QUEUE, REPLAYED_AT, ROUTING_KEY};
use crate::{Bus, Delivery, Destination, Environment, Message, Properties, PublishError, observe};

/// What the headers that are ours begin with.
const OURS: &str = "tropomq-";

/// How much later than its death a letter is replayed at the least, whatever the clock here says: services compare the
/// two, and milliseconds are what is written.
const AFTER_DEATH: Duration = Duration::from_millis(1);

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
        let properties = alive_again(&delivery.properties, self.environment.now());
        self.put_back(delivery, destination, properties, delivery.body.clone()).await
    }

    /// The same, once, and with other data.
    ///
    /// # Errors
    /// The bus did not confirm it.
    pub(super) async fn publish_edited(&mut self, delivery: &Delivery, data: &Data) -> Result<Outcome, DeadError> {
        let destination = match self.destination(delivery).await? {
            Ok(destination) => destination,
            Err(reason) => return Ok(Outcome::NotReplayable(reason)),
        };
        let body = match edit::body(delivery, data) {
            Ok(body) => body,
            Err(reason) => return Ok(Outcome::NotReplayable(reason)),
        };
        let now = self.environment.now();
        let mut properties = alive_again(&delivery.properties, now);
        properties.headers.insert(EDITED_AT.to_owned(), now.to_string());
        self.put_back(delivery, destination, properties, body).await
    }

    async fn put_back(
        &self,
        delivery: &Delivery,
        destination: Destination,
        properties: Properties,
        body: Bytes,
    ) -> Result<Outcome, DeadError> {
        let queue = match &destination {
            Destination::Delayed { queue, .. } => queue.clone(),
            Destination::Topic { .. } | Destination::Dead => delivery.queue.clone(),
        };
        let message = Message { destination, properties, body };
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
                let is_there = ready(self.bus, &queue).await?.is_some();
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
}

/// As they were, so that it is recognized. Of the headers that tell of its failure none is left, or it would go on from
/// its last attempt; the routing key stays, because it comes back under the name of its queue, and so does that it is not
/// what was first published.
fn alive_again(before: &Properties, now: Timestamp) -> Properties {
    let mut after = before.clone();
    let died: Option<Timestamp> = after.headers.get(DEAD_AT).and_then(|written| written.parse().ok());
    let replayed = died.and_then(|died| died.checked_add(AFTER_DEATH).ok()).map_or(now, |earliest| now.max(earliest));
    after.headers.retain(|name, _| [ROUTING_KEY, EDITED_AT].contains(&name.as_str()) || !name.starts_with(OURS));
    after.headers.insert(REPLAYED_AT.to_owned(), replayed.to_string());
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dead_at: &str, now: &str, replayed_at: &str) {
        let headers = [(DEAD_AT, dead_at), (ROUTING_KEY, "message.send.a"), ("traceparent", "00")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let after = alive_again(&Properties { headers, ..Properties::default() }, now.parse().unwrap());
        let expected = [(REPLAYED_AT, replayed_at), (ROUTING_KEY, "message.send.a"), ("traceparent", "00")];
        assert_eq!(after.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_letter_is_replayed_after_it_died_whatever_the_clock_says() {
        let died = "2026-08-01T10:00:00.5Z";
        check(died, "2026-08-01T10:00:07Z", "2026-08-01T10:00:07Z");
        check(died, "2026-08-01T10:00:00.5Z", "2026-08-01T10:00:00.501Z");
        check(died, "2026-08-01T09:00:00Z", "2026-08-01T10:00:00.501Z");
        check("some day", "2026-08-01T09:00:00Z", "2026-08-01T09:00:00Z");
    }
}
