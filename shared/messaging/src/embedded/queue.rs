//! One queue in memory: what is ready, and who has what in hand. Knows neither file nor clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use protocol::topology::{Bound, DEAD, DELIVERY_LIMIT, QueueName, UNROUTED};
use tokio::sync::mpsc;

use crate::embedded::operation::{Handed, Kept, Seq, SubscriptionId};

/// At most so many ready messages of a queue are in memory; the others are read from the file when their turn comes.
pub(super) const READY_MAX: usize = 256;

/// A queue.
///
/// Its front is in memory, the rest only in the file. Whatever is at or before `loaded_to` is in `ready`, in
/// somebody's hand or settled; whatever is after it is only in the file, and there are `beyond` such messages.
#[derive(Debug)]
pub(super) struct Queue {
    name: QueueName,
    single_active_consumer: bool,
    bound: Option<Bound>,
    ready: BTreeMap<Seq, Held>,
    loaded_to: Seq,
    beyond: u64,
    /// Whose turn is next comes first. Where one alone is active, they stay as they came.
    subscribers: VecDeque<Subscriber>,
}

/// A message in memory.
#[derive(Clone, Debug)]
struct Held {
    message: Arc<Kept>,
    returned: u32,
    redelivered: bool,
}

#[derive(Debug)]
struct Subscriber {
    id: SubscriptionId,
    prefetch: usize,
    in_hand: BTreeMap<Seq, Held>,
    /// `None` once it was cancelled.
    deliveries: Option<mpsc::UnboundedSender<Handed>>,
}

impl Subscriber {
    fn has_room(&self) -> bool {
        self.deliveries.is_some() && self.in_hand.len() < self.prefetch
    }

    /// Whether it neither gets nor has anything.
    fn is_gone(&self) -> bool {
        self.deliveries.is_none() && self.in_hand.is_empty()
    }
}

/// A message that was given back too often, to be moved to the dead letters.
#[derive(Clone, Debug)]
pub(super) struct Buried {
    pub(super) queue: QueueName,
    pub(super) seq: Seq,
    pub(super) message: Arc<Kept>,
}

/// What a queue needs in order to deliver on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// Messages, or a consumer with room: nothing that can be done now.
    Nothing,
    /// The messages after `loaded_to`.
    Page,
}

impl Queue {
    /// A queue with `beyond` messages in the file.
    pub(super) fn new(name: QueueName, beyond: u64) -> Self {
        Self {
            name,
            single_active_consumer: false,
            bound: None,
            ready: BTreeMap::new(),
            loaded_to: 0,
            beyond,
            subscribers: VecDeque::new(),
        }
    }

    /// The same queue with what the topology says of it.
    pub(super) fn with(self, single_active_consumer: bool, bound: Option<Bound>) -> Self {
        Self { single_active_consumer, bound, ..self }
    }

    pub(super) fn bound(&self) -> Option<Bound> {
        self.bound
    }

    pub(super) fn loaded_to(&self) -> Seq {
        self.loaded_to
    }

    /// How many messages are ready, in memory or not.
    pub(super) fn len(&self) -> u64 {
        self.beyond.saturating_add(self.ready.len() as u64)
    }

    /// How many messages are with subscribers.
    pub(super) fn in_hand(&self) -> usize {
        self.subscribers.iter().map(|subscriber| subscriber.in_hand.len()).sum()
    }

    /// How many consume it.
    pub(super) fn consumers(&self) -> u64 {
        self.subscribers.iter().filter(|subscriber| subscriber.deliveries.is_some()).count() as u64
    }

    /// Whether a subscriber has this message.
    pub(super) fn is_in_hand(&self, seq: Seq) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.in_hand.contains_key(&seq))
    }

    /// A message was put at the end, in the file.
    ///
    /// It stays in memory only if somebody is there to take it soon.
    pub(super) fn add(&mut self, seq: Seq, message: &Arc<Kept>) {
        if self.beyond == 0 && !self.subscribers.is_empty() && self.ready.len() < READY_MAX {
            self.ready.insert(seq, Held { message: Arc::clone(message), returned: 0, redelivered: false });
            self.loaded_to = seq;
        } else {
            self.add_beyond();
        }
    }

    /// A message was put at the end, in the file only.
    pub(super) fn add_beyond(&mut self) {
        self.beyond = self.beyond.saturating_add(1);
    }

    /// A message was removed from the file though nobody had it.
    pub(super) fn forget(&mut self, seq: Seq) {
        if self.ready.remove(&seq).is_none() && self.loaded_to < seq {
            self.beyond = self.beyond.saturating_sub(1);
        }
    }

    /// The messages after `loaded_to` were read: as many as [`READY_MAX`], or all that there are.
    ///
    /// Those up to `redelivered_to` may have been handed out before the bus was opened.
    pub(super) fn load(&mut self, page: Vec<(Seq, Arc<Kept>)>, redelivered_to: Seq) {
        let read = page.len();
        for (seq, message) in page {
            self.ready.insert(seq, Held { message, returned: 0, redelivered: seq <= redelivered_to });
            self.loaded_to = seq;
        }
        // A short page says that the file has no more, whatever the count.
        self.beyond = if read < READY_MAX { 0 } else { self.beyond.saturating_sub(read as u64) };
    }

    pub(super) fn subscribe(&mut self, id: SubscriptionId, prefetch: u16, deliveries: mpsc::UnboundedSender<Handed>) {
        let (prefetch, in_hand) = (usize::from(prefetch.max(1)), BTreeMap::new());
        self.subscribers.push_back(Subscriber { id, prefetch, in_hand, deliveries: Some(deliveries) });
    }

    /// Hands out no more to a subscriber.
    pub(super) fn cancel(&mut self, id: SubscriptionId) {
        if let Some(subscriber) = self.subscriber(id) {
            subscriber.deliveries = None;
        }
    }

    /// Takes back what a subscriber has, and forgets it.
    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) -> Vec<Buried> {
        let Some(place) = self.subscribers.iter().position(|subscriber| subscriber.id == id) else { return Vec::new() };
        let in_hand = self.subscribers.remove(place).map(|subscriber| subscriber.in_hand).unwrap_or_default();
        in_hand.into_iter().filter_map(|(seq, held)| self.give_back(seq, held)).collect()
    }

    /// Leaves in the file what somebody looked through who has gone. That it was handed out is forgotten with it, so
    /// this is not for work. Nor while something that was settled is in the file still: it would be read again.
    pub(super) fn let_go(&mut self) {
        if !self.subscribers.is_empty() || self.is_work() {
            return;
        }
        let Some(first) = self.ready.keys().nth(READY_MAX).copied() else { return };
        let beyond = self.ready.split_off(&first);
        self.beyond = self.beyond.saturating_add(beyond.len() as u64);
        self.loaded_to = self.ready.last_key_value().map_or(self.loaded_to, |(seq, _)| *seq);
    }

    /// Whether the subscriber had it, so that it is to be removed from the file.
    pub(super) fn ack(&mut self, id: SubscriptionId, seq: Seq) -> bool {
        self.subscriber(id).is_some_and(|subscriber| subscriber.in_hand.remove(&seq).is_some())
    }

    /// Takes one message back to its place.
    pub(super) fn requeue(&mut self, id: SubscriptionId, seq: Seq) -> Option<Buried> {
        let held = self.subscriber(id)?.in_hand.remove(&seq)?;
        self.give_back(seq, held)
    }

    fn give_back(&mut self, seq: Seq, held: Held) -> Option<Buried> {
        let returned = held.returned.saturating_add(1);
        if self.is_work() && DELIVERY_LIMIT < returned {
            return Some(Buried { queue: self.name.clone(), seq, message: held.message });
        }
        self.ready.insert(seq, Held { returned, redelivered: true, ..held });
        None
    }

    /// Whether what is given back too often is moved to the dead letters. What is kept or on record is handed out as
    /// often as somebody looks at it.
    fn is_work(&self) -> bool {
        self.bound.is_none() && !matches!(self.name.as_str(), DEAD | UNROUTED)
    }

    fn subscriber(&mut self, id: SubscriptionId) -> Option<&mut Subscriber> {
        self.subscribers.iter_mut().find(|subscriber| subscriber.id == id)
    }

    /// Hands out as much as subscribers have room for.
    pub(super) fn dispatch(&mut self) -> Need {
        while let Some(place) = self.next_subscriber() {
            let Some((seq, held)) = self.ready.pop_first() else {
                return if 0 < self.beyond { Need::Page } else { Need::Nothing };
            };
            let Some(mut subscriber) = self.subscribers.remove(place) else { break };
            let Held { message, redelivered, .. } = held.clone();
            let handed = Handed { seq, message, redelivered };
            if subscriber.deliveries.as_ref().is_some_and(|deliveries| deliveries.send(handed).is_ok()) {
                subscriber.in_hand.insert(seq, held);
            } else {
                // It was dropped, and that operation is on its way.
                subscriber.deliveries = None;
                self.ready.insert(seq, held);
            }
            if self.single_active_consumer {
                self.subscribers.insert(place, subscriber);
            } else {
                self.subscribers.push_back(subscriber);
            }
        }
        Need::Nothing
    }

    /// Who gets the next message. One alone that was cancelled stays the active one until it has settled what it
    /// has: or the next could overtake it.
    fn next_subscriber(&self) -> Option<usize> {
        if self.single_active_consumer {
            let active = self.subscribers.iter().position(|subscriber| !subscriber.is_gone())?;
            return self.subscribers.get(active)?.has_room().then_some(active);
        }
        self.subscribers.iter().position(Subscriber::has_room)
    }
}

#[cfg(test)]
mod tests;
