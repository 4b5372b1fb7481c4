//! What the async side asks of the thread, and what it hands out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use protocol::topology::QueueName;
use tokio::sync::{mpsc, oneshot};

use crate::{Depths, Message, Properties, PublishError, SubscribeError};

/// The place of a message: over all queues, later messages have greater ones.
pub(super) type Seq = i64;

/// A subscription, within the life of one bus.
pub(super) type SubscriptionId = u64;

/// One thing asked of the thread.
pub(super) enum Operation {
    /// Keep a message.
    Publish(Publication),
    /// Deliver the messages of a queue.
    Subscribe(Request),
    /// Deliver no more; what is in hand may still be settled.
    Cancel(SubscriptionId),
    /// Take back what is in hand.
    Unsubscribe(SubscriptionId),
    /// A delivery was handled.
    Ack(SubscriptionId, Seq),
    /// A delivery was not handled.
    Requeue(SubscriptionId, Seq),
    /// Say how many messages are in some queues.
    Count(Count),
    /// Finish what was asked before, and end.
    Close,
}

/// A message to keep, and where to confirm that.
pub(super) struct Publication {
    pub(super) message: Message,
    pub(super) confirm: oneshot::Sender<Result<(), PublishError>>,
}

/// A subscription to be had.
pub(super) struct Request {
    pub(super) id: SubscriptionId,
    pub(super) queue: QueueName,
    pub(super) prefetch: u16,
    pub(super) deliveries: mpsc::UnboundedSender<Handed>,
    pub(super) answer: oneshot::Sender<Result<(), SubscribeError>>,
}

/// Queues to be counted.
pub(super) struct Count {
    pub(super) queues: Vec<QueueName>,
    pub(super) answer: oneshot::Sender<Result<Depths, String>>,
}

/// A message as a queue keeps it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) routing_key: String,
    pub(super) properties: Properties,
    pub(super) body: Bytes,
}

/// A message on its way to a subscriber.
pub(super) struct Handed {
    pub(super) seq: Seq,
    pub(super) message: Arc<Kept>,
    pub(super) redelivered: bool,
}

/// Without what it says, and to whom.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("message_id", &self.properties.message_id).finish_non_exhaustive()
    }
}
