//! How many texts of each queue are in hand: while too many are, none waits long for an application that is away, or
//! everybody else on the queue would wait as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::topology::QueueName;

/// Counts the texts in hand.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// From so many on, a queue is crowded.
    crowded: usize,
    in_hand: Arc<Mutex<HashMap<QueueName, usize>>>,
}

/// The place of a text in hand. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Crowd,
    queue: QueueName,
}

impl Crowd {
    /// For queues of which at most `prefetch` texts are in hand: three quarters of that are a crowd.
    pub(crate) fn new(prefetch: u16) -> Self {
        let prefetch = usize::from(prefetch);
        Self { crowded: prefetch.saturating_sub(prefetch / 4).max(1), in_hand: Arc::default() }
    }

    pub(crate) fn enter(&self, queue: &QueueName) -> Place {
        self.change(queue, |in_hand| in_hand.saturating_add(1));
        Place { crowd: self.clone(), queue: queue.clone() }
    }

    /// Whether texts should not wait, for the sake of the others.
    pub(crate) fn is_crowded(&self, queue: &QueueName) -> bool {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.get(queue).is_some_and(|in_hand| self.crowded <= *in_hand)
    }

    fn change(&self, queue: &QueueName, change: impl FnOnce(usize) -> usize) {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_hand.entry(queue.clone()).or_default();
        *count = change(*count);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.change(&self.queue, |in_hand| in_hand.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_crowded_while_three_quarters_of_its_places_are_taken() {
        let (crowd, one, other) = (Crowd::new(8), QueueName::from("one"), QueueName::from("other"));
        let mut places: Vec<Place> = (0..5).map(|_| crowd.enter(&one)).collect();
        assert!(!crowd.is_crowded(&one));
        places.push(crowd.enter(&one));
        assert!(crowd.is_crowded(&one) && !crowd.is_crowded(&other));
        places.pop();
        assert!(!crowd.is_crowded(&one));
    }
}
