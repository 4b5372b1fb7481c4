//! The async side: turns calls into operations, and waits for their answers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use protocol::topology::QueueName;
use tokio::sync::{mpsc as deliveries, oneshot, watch};

use crate::embedded::operation::{Count, Handed, Operation, Publication, Request, Seq, SubscriptionId};
use crate::{
    BoxFuture, Bus, BusState, Delivery, DepthError, Depths, Message, PublishError, Settler, SubscribeError,
    Subscription, embedded,
};

/// The largest body that is taken, which is RabbitMQ's limit too. One too large for SQLite would fail all that share
/// its transaction.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The embedded bus. Dropping it closes it.
pub(super) struct EmbeddedBus {
    operations: mpsc::Sender<Operation>,
    states: watch::Receiver<BusState>,
    subscriptions: AtomicU64,
}

impl EmbeddedBus {
    pub(super) fn new(operations: mpsc::Sender<Operation>, states: watch::Receiver<BusState>) -> Self {
        Self { operations, states, subscriptions: AtomicU64::new(0) }
    }
}

impl fmt::Debug for EmbeddedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBus").field("state", &*self.states.borrow()).finish_non_exhaustive()
    }
}

impl Bus for EmbeddedBus {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            if BODY_BYTES_MAX < message.body.len() {
                return Err(PublishError::Refused);
            }
            let (confirm, confirmed) = oneshot::channel();
            if self.operations.send(Operation::Publish(Publication { message, confirm })).is_err() {
                return Err(PublishError::Unavailable("the bus is closed".to_owned()));
            }
            confirmed.await.unwrap_or_else(|_| Err(PublishError::Unknown("the bus's thread ended".to_owned())))
        })
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async move {
            let closed = || SubscribeError { queue: queue.clone(), reason: "the bus is closed".to_owned() };
            let id = self.subscriptions.fetch_add(1, Ordering::Relaxed);
            let (sender, receiver) = deliveries::unbounded_channel();
            // Made before it is asked for: if this future is dropped meanwhile, it unsubscribes.
            let operations = self.operations.clone();
            let subscription = EmbeddedSubscription { id, queue: queue.clone(), operations, deliveries: receiver };
            let (answer, answered) = oneshot::channel();
            let request = Request { id, queue: queue.clone(), prefetch, deliveries: sender, answer };
            self.operations.send(Operation::Subscribe(request)).map_err(|_| closed())?;
            answered.await.map_err(|_| closed())??;
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        })
    }

    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async move {
            let closed = || DepthError("the bus is closed".to_owned());
            let (answer, answered) = oneshot::channel();
            let count = Count { queues: queues.to_vec(), answer };
            self.operations.send(Operation::Count(count)).map_err(|_| closed())?;
            answered.await.map_err(|_| closed())?.map_err(DepthError)
        })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.states.clone()
    }

    fn system(&self) -> &'static str {
        "tropomq_embedded"
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // A thread that no longer listens is closing already.
            let _ = self.operations.send(Operation::Close);
            embedded::closed(self.states.clone()).await;
        })
    }
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        // Subscriptions and settlers hold senders too, so the thread is told; it has ended if nobody listens.
        let _ = self.operations.send(Operation::Close);
    }
}

struct EmbeddedSubscription {
    id: SubscriptionId,
    queue: QueueName,
    operations: mpsc::Sender<Operation>,
    /// Holds at most as many as the prefetch.
    deliveries: deliveries::UnboundedReceiver<Handed>,
}

impl Subscription for EmbeddedSubscription {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async {
            let Handed { seq, message, redelivered } = self.deliveries.recv().await?;
            let settler = EmbeddedSettler { subscription: self.id, seq, operations: self.operations.clone() };
            Some(Delivery {
                queue: self.queue.clone(),
                routing_key: message.routing_key.clone(),
                properties: message.properties.clone(),
                body: message.body.clone(),
                redelivered,
                settler: Box::new(settler),
            })
        })
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let _ = self.operations.send(Operation::Cancel(self.id));
        })
    }
}

impl Drop for EmbeddedSubscription {
    fn drop(&mut self) {
        let _ = self.operations.send(Operation::Unsubscribe(self.id));
    }
}

/// Needs no `Drop`: what is not settled goes back with its subscription.
struct EmbeddedSettler {
    subscription: SubscriptionId,
    seq: Seq,
    operations: mpsc::Sender<Operation>,
}

impl Settler for EmbeddedSettler {
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = self.operations.send(Operation::Ack(self.subscription, self.seq));
        })
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = self.operations.send(Operation::Requeue(self.subscription, self.seq));
        })
    }
}
