//! What one transaction does to the file, and afterwards to the queues in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use protocol::Timestamp;
use protocol::topology::{self, QueueName};

use crate::embedded::operation::{Kept, Publication, Seq};
use crate::embedded::properties;
use crate::embedded::queue::Buried;
use crate::embedded::store::{Durability, QueueId, WriteError};
use crate::embedded::writer::{GROUP_MAX, SWEEP_EVERY, Writer};
use crate::headers::{DEAD_AT, QUEUE, REASON, ROUTING_KEY};
use crate::{Destination, Message};

/// At most so many messages that are too old are removed at once.
const SWEEP_MAX: usize = 1024;

/// What was changed in the file.
#[derive(Default)]
pub(super) struct Changes {
    /// Put at the end of a queue, in this order.
    added: Vec<(QueueId, Seq, Arc<Kept>)>,
    /// Waited, and then put at the end of a queue: after all in `added`.
    promoted: Vec<QueueId>,
    /// Removed because its queue is bounded.
    forgotten: Vec<(QueueId, Seq)>,
    /// Whether what waits has changed.
    waiting: bool,
    /// When bounded queues are looked through next, if they were.
    sweep_next: Option<Instant>,
}

impl Writer {
    /// Does everything in one transaction, or nothing.
    pub(super) fn transact(&self, publications: &[Publication], now_ms: i64) -> Result<Changes, WriteError> {
        // Nobody waits for a settlement to be on the disk.
        let durability = if publications.is_empty() { Durability::Written } else { Durability::Synced };
        self.store.begin(durability)?;
        match self.change(publications, now_ms) {
            Ok(changes) => self.store.commit().map(|()| changes),
            Err(error) => {
                self.store.rollback();
                Err(WriteError::Failed(error))
            }
        }
    }

    fn change(&self, publications: &[Publication], now_ms: i64) -> rusqlite::Result<Changes> {
        let mut changes = Changes::default();
        for seq in &self.settled {
            self.store.delete(*seq)?;
        }
        for buried in &self.buried {
            self.keep(&self.dead, dead_letter(buried), now_ms, &mut changes)?;
            self.store.delete(buried.seq)?;
        }
        for Publication { message, .. } in publications {
            self.place(message, now_ms, &mut changes)?;
        }
        if self.due_next_ms.is_some_and(|due| due <= now_ms) {
            changes.promoted = self.store.promote(now_ms, GROUP_MAX)?;
            changes.waiting = true;
        }
        self.trim(&mut changes)?;
        if self.sweep_next <= Instant::now() {
            self.sweep(now_ms, &mut changes)?;
        }
        Ok(changes)
    }

    /// Puts a message where it goes.
    fn place(&self, message: &Message, now_ms: i64, changes: &mut Changes) -> rusqlite::Result<()> {
        match &message.destination {
            Destination::Topic { routing_key } => {
                let queues = self.routes.to(routing_key);
                let queues = if queues.is_empty() { &[self.unrouted][..] } else { &queues };
                self.keep(queues, kept(message, routing_key), now_ms, changes)
            }
            Destination::Dead => {
                self.keep(&self.dead, kept(message, origin(message, &QueueName::dead())), now_ms, changes)
            }
            Destination::Delayed { queue, delay } => {
                let [.., longest] = topology::RETRY_LEVELS;
                let delay_ms = (*delay).min(longest).as_nanos().div_ceil(1_000_000);
                // The current millisecond has partly passed: one more, or it could be early.
                let due_ms = now_ms.saturating_add(i64::try_from(delay_ms).unwrap_or(i64::MAX)).saturating_add(1);
                let queue_id = self.names.get(queue).copied().unwrap_or(self.unrouted);
                let kept = kept(message, origin(message, queue));
                self.store.insert(queue_id, &kept, &written(&kept)?, now_ms, Some(due_ms))?;
                changes.waiting = true;
                Ok(())
            }
        }
    }

    /// Puts a message at the end of each of these queues.
    fn keep(&self, queues: &[QueueId], kept: Kept, now_ms: i64, changes: &mut Changes) -> rusqlite::Result<()> {
        let (written, kept) = (written(&kept)?, Arc::new(kept));
        for queue in queues {
            let seq = self.store.insert(*queue, &kept, &written, now_ms, None)?;
            changes.added.push((*queue, seq, Arc::clone(&kept)));
        }
        Ok(())
    }

    /// Removes the oldest messages of bounded queues that got more than they hold.
    fn trim(&self, changes: &mut Changes) -> rusqlite::Result<()> {
        let mut grown: BTreeMap<QueueId, u64> = BTreeMap::new();
        let added = changes.added.iter().map(|(queue, ..)| *queue);
        for id in added.chain(changes.promoted.iter().copied()) {
            *grown.entry(id).or_default() += 1;
        }
        for (id, added) in grown {
            let Some(queue) = self.queues.get(&id) else { continue };
            let Some(bound) = queue.bound() else { continue };
            let length = queue.len().saturating_add(added);
            let excess = usize::try_from(length.saturating_sub(u64::from(bound.messages_max))).unwrap_or(usize::MAX);
            if 0 < excess {
                self.remove_oldest(id, excess, None, changes)?;
            }
        }
        Ok(())
    }

    /// Removes messages of bounded queues that are too old.
    fn sweep(&self, now_ms: i64, changes: &mut Changes) -> rusqlite::Result<()> {
        let mut next = Instant::now() + SWEEP_EVERY;
        for (id, queue) in &self.queues {
            let Some(bound) = queue.bound() else { continue };
            let age_max_ms = i64::try_from(bound.age_max.as_millis()).unwrap_or(i64::MAX);
            let added_before = now_ms.saturating_sub(age_max_ms);
            if self.remove_oldest(*id, SWEEP_MAX, Some(added_before), changes)? == SWEEP_MAX {
                next = Instant::now();
            }
        }
        changes.sweep_next = Some(next);
        Ok(())
    }

    /// Removes the first `count` messages of a queue that nobody has in hand; only those from before a time, if one
    /// is given. Returns how many there were.
    fn remove_oldest(
        &self,
        id: QueueId,
        count: usize,
        added_before_ms: Option<i64>,
        changes: &mut Changes,
    ) -> rusqlite::Result<usize> {
        let Some(queue) = self.queues.get(&id) else { return Ok(0) };
        let oldest = self.store.oldest(id, count.saturating_add(queue.in_hand()))?;
        let oldest = oldest.into_iter().take_while(|(_, added)| added_before_ms.is_none_or(|before| *added < before));
        let removed: Vec<Seq> = oldest.map(|(seq, _)| seq).filter(|seq| !queue.is_in_hand(*seq)).take(count).collect();
        for seq in &removed {
            self.store.delete(*seq)?;
        }
        changes.forgotten.extend(removed.iter().map(|seq| (id, *seq)));
        Ok(removed.len())
    }

    /// Does to the queues in memory what was done to the file.
    pub(super) fn apply(&mut self, changes: Changes) {
        let Changes { added, promoted, forgotten, waiting, sweep_next } = changes;
        for (id, seq, message) in added {
            if let Some(queue) = self.stir(id) {
                queue.add(seq, &message);
            }
        }
        for id in promoted {
            if let Some(queue) = self.stir(id) {
                queue.add_beyond();
            }
        }
        for (id, seq) in forgotten {
            if let Some(queue) = self.stir(id) {
                queue.forget(seq);
            }
        }
        if waiting {
            // Unreadable means now: the transaction that then finds out what is due reports it.
            self.due_next_ms = self.store.due_next().unwrap_or(Some(0));
        }
        self.sweep_next = sweep_next.unwrap_or(self.sweep_next);
    }
}

/// The message as a queue keeps it.
fn kept(message: &Message, routing_key: &str) -> Kept {
    let Message { properties, body, .. } = message;
    Kept { routing_key: routing_key.to_owned(), properties: properties.clone(), body: body.clone() }
}

/// The routing key that a message was first published with, or else the name of the queue that it goes to.
fn origin<'a>(message: &'a Message, queue: &'a QueueName) -> &'a str {
    message.properties.headers.get(ROUTING_KEY).map_or(queue.as_str(), String::as_str)
}

/// A message that was given back too often, telling where it came from.
fn dead_letter(buried: &Buried) -> Kept {
    let Buried { queue, message, .. } = buried;
    let mut kept = Kept::clone(message);
    let headers = &mut kept.properties.headers;
    headers.insert(REASON.to_owned(), "delivery_limit".to_owned());
    headers.insert(QUEUE.to_owned(), queue.to_string());
    headers.insert(DEAD_AT.to_owned(), Timestamp::now().to_string());
    headers.entry(ROUTING_KEY.to_owned()).or_insert_with(|| kept.routing_key.clone());
    kept
}

fn written(kept: &Kept) -> rusqlite::Result<String> {
    properties::write(&kept.properties).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
