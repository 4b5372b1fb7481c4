//! What the drain has in hand: a row, and what the bus does not take, aside.

use std::collections::{HashMap, VecDeque};

use protocol::Timestamp;

use crate::Delivery;

/// So many different messages with one routing key that fail in a row, and the key itself is what the bus does not take.
const STUCK_AT: u32 = 2;

/// A message of the journal, not settled.
pub(super) struct Entry {
    pub(super) delivery: Delivery,
    was_aside: bool,
    /// How often it was set aside because the bus failed at it itself.
    failed: u32,
}

/// The messages of the journal that are in hand.
#[derive(Default)]
pub(super) struct Queue {
    row: VecDeque<Entry>,
    aside: Vec<Entry>,
    /// How many with this routing key were set aside since one was confirmed, or all were taken back.
    failed: HashMap<String, u32>,
}

impl Queue {
    /// Those to be published, in order.
    pub(super) fn row(&self) -> impl Iterator<Item = &Delivery> {
        self.row.iter().map(|entry| &entry.delivery)
    }

    pub(super) fn row_len(&self) -> usize {
        self.row.len()
    }

    pub(super) fn aside_len(&self) -> usize {
        self.aside.len()
    }

    pub(super) fn push(&mut self, delivery: Delivery) {
        self.row.push_back(Entry { delivery, was_aside: false, failed: 0 });
    }

    /// When the first was made, to the second; those that the bus does not take apart.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let first = self.row.iter().find(|entry| !entry.was_aside)?;
        Timestamp::from_second(i64::try_from(first.delivery.properties.timestamp?).ok()?).ok()
    }

    /// Takes off the first, which the bus has confirmed.
    pub(super) fn confirmed(&mut self) -> Option<Entry> {
        let first = self.row.pop_front()?;
        self.failed.remove(&first.delivery.routing_key);
        Some(first)
    }

    /// Whether one failure at the first is enough: it, or another with its routing key, was set aside.
    pub(super) fn is_suspect(&self) -> bool {
        self.row.front().is_some_and(|first| first.was_aside || self.failed.contains_key(&first.delivery.routing_key))
    }

    /// Sets aside the first; and, where another with its routing key failed as well, all with that key, untried and in order: so
    /// that each does not take its time to fail. At most `room`. Returns how many.
    pub(super) fn set_aside(&mut self, room: usize) -> u64 {
        let Some(mut first) = self.row.pop_front() else { return 0 };
        (first.was_aside, first.failed) = (true, first.failed + 1);
        let key = first.delivery.routing_key.clone();
        self.aside.push(first);
        let failed = self.failed.entry(key.clone()).or_default();
        *failed += 1;
        let mut moved = 1;
        if STUCK_AT <= *failed {
            for mut entry in std::mem::take(&mut self.row) {
                if entry.delivery.routing_key == key && moved < room {
                    entry.was_aside = true;
                    self.aside.push(entry);
                    moved += 1;
                } else {
                    self.row.push_back(entry);
                }
            }
        }
        u64::try_from(moved).unwrap_or(u64::MAX)
    }

    /// Puts what is aside into the row, behind the first `publishing`, which are on their way. Those at which the bus
    /// failed least come first, so that each is tried in the end; else they keep their order.
    pub(super) fn take_back(&mut self, publishing: usize) {
        self.failed.clear();
        let mut aside = std::mem::take(&mut self.aside);
        aside.sort_by_key(|entry| entry.failed);
        let behind = self.row.split_off(publishing.min(self.row.len()));
        self.row.extend(aside);
        self.row.extend(behind);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::topology::QueueName;

    use super::*;
    use crate::{BoxFuture, Properties, Settler};

    struct Unsettled;

    impl Settler for Unsettled {
        fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }

        fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    /// With these in its row, each a routing key and a number.
    fn queue(messages: &[(&str, u8)]) -> Queue {
        let mut queue = Queue::default();
        for (key, number) in messages {
            queue.push(Delivery {
                queue: QueueName::from("q"),
                routing_key: (*key).to_owned(),
                properties: Properties { timestamp: Some(u64::from(*number)), ..Properties::default() },
                body: Bytes::from(vec![*number]),
                redelivered: false,
                settler: Box::new(Unsettled),
            });
        }
        queue
    }

    fn row(queue: &Queue) -> Vec<u8> {
        queue.row().flat_map(|delivery| delivery.body.to_vec()).collect()
    }

    #[test]
    fn the_first_is_set_aside_alone_and_a_second_with_its_routing_key_takes_the_others_along() {
        let mut queue = queue(&[("a", 1), ("a", 2), ("b", 3), ("a", 4), ("a", 5)]);
        assert!(!queue.is_suspect());
        assert_eq!(queue.set_aside(100), 1);
        assert!(queue.is_suspect(), "one try for its like");
        assert_eq!((queue.set_aside(100), row(&queue)), (3, vec![3]));
        assert_eq!(queue.aside_len(), 4);
        assert!(!queue.is_suspect());
        queue.take_back(0);
        assert_eq!(row(&queue), [4, 5, 1, 2, 3], "those that were not tried come first");
        assert!(queue.is_suspect());
        assert_eq!(queue.oldest(), Timestamp::from_second(3).ok(), "of those that were never aside");
    }

    #[test]
    fn a_confirm_clears_its_routing_key() {
        let mut queue = queue(&[("a", 1), ("a", 2), ("a", 3), ("a", 4)]);
        queue.set_aside(100);
        assert!(queue.confirmed().is_some());
        assert!(!queue.is_suspect());
        assert_eq!((queue.set_aside(100), row(&queue)), (1, vec![4]));
    }

    #[test]
    fn what_is_on_its_way_stays_first_and_no_more_goes_aside_than_there_is_room_for() {
        let mut queue = queue(&[("a", 1), ("a", 2), ("a", 3), ("a", 4), ("a", 5)]);
        queue.set_aside(1);
        assert_eq!((queue.set_aside(2), row(&queue)), (2, vec![4, 5]));
        queue.take_back(1);
        assert_eq!(row(&queue), [4, 3, 1, 2, 5]);
    }
}
