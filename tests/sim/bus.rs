//! The model broker as a process sees it: `messaging::Bus` over one connection.

use std::fmt;
use std::sync::Arc;

use messaging::{
    BoxFuture, Bus, BusState, Context, Delivery, DepthError, Depths, Destination, Disposition, Handler, Message,
    Outgoing, PublishError, Settle, Settler, SubscribeError, Subscription,
};
use protocol::Envelope;
use protocol::topology::QueueName;
use tokio::sync::{Notify, watch};

use crate::broker::{Broker, HandedOut, Next};
use crate::connection::{Connection, Returned};
use crate::world::lock;

/// The bus of one process.
pub(crate) struct Link {
    broker: Arc<Broker>,
    connection: u64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(#{})", self.connection)
    }
}

impl Link {
    pub(crate) fn new(broker: Arc<Broker>, connection: u64) -> Self {
        Self { broker, connection }
    }
}

impl Bus for Link {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(Arc::clone(&self.broker).publish(self.connection, message))
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async move {
            self.broker.world.travel().await;
            let away = || SubscribeError { queue: queue.clone(), reason: "away".to_owned() };
            let subscribed = self.broker.subscribe(self.connection, queue).ok_or_else(away)?;
            let of = (self.connection, subscribed.epoch);
            let (broker, queue, id) = (Arc::clone(&self.broker), queue.clone(), subscribed.id);
            let consuming =
                Consuming { broker, of, id, queue, prefetch, changed: subscribed.changed, is_cancelled: false };
            Ok(Box::new(consuming) as Box<dyn Subscription>)
        })
    }

    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async { Ok(self.broker.depths(queues)) })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        let mut state = lock(&self.broker.state);
        // A closed bus has no news.
        let closed = || watch::channel(BusState::Closed).1;
        state.connections.get_mut(&self.connection).map_or_else(closed, Connection::watch)
    }

    fn system(&self) -> &'static str {
        "model"
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.broker.world.travel().await;
            self.broker.disconnect(self.connection);
        })
    }
}

/// A subscription.
struct Consuming {
    broker: Arc<Broker>,
    of: (u64, u64),
    id: u64,
    queue: QueueName,
    prefetch: u16,
    changed: Arc<Notify>,
    is_cancelled: bool,
}

impl Subscription for Consuming {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async {
            if self.is_cancelled {
                return None;
            }
            loop {
                let changed = self.changed.notified();
                match self.broker.hand_out(self.of, self.id, &self.queue, self.prefetch) {
                    Next::One(handed_out) => return Some(self.delivery(*handed_out)),
                    Next::Ended => return None,
                    Next::Nothing => changed.await,
                }
            }
        })
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        self.is_cancelled = true;
        Box::pin(async {})
    }
}

impl Consuming {
    fn delivery(&self, HandedOut { tag, message, redelivered }: HandedOut) -> Delivery {
        let Message { destination, properties, body } = message;
        let Destination::Topic { routing_key } = destination else { unreachable!("queues hold what came by topic") };
        let settler = Box::new(Tag { broker: Arc::clone(&self.broker), tag });
        Delivery { queue: self.queue.clone(), routing_key, properties, body, redelivered, settler }
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        self.broker.unsubscribe(self.id, &self.queue);
    }
}

struct Tag {
    broker: Arc<Broker>,
    tag: u64,
}

impl Settler for Tag {
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.broker.acknowledge(self.tag) })
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.broker.requeue(self.tag) })
    }
}

/// A handler whose answers the broker is told of, so that it can tell whether they were confirmed in time.
pub(crate) struct Watched<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) connection: u64,
}

impl<H: Handler> Handler for Watched<H> {
    type Event = H::Event;
    type Error = H::Error;

    async fn handle(&self, envelope: Envelope<H::Event>, context: &Context) -> Result<Vec<Outgoing>, H::Error> {
        let event = envelope.head.id.to_string();
        let result = self.handler.handle(envelope, context).await;
        let ids = |events: &[Outgoing]| events.iter().map(|event| event.head().id.to_string()).collect();
        let returned = match &result {
            Ok(events) => Returned { events: ids(events), moves: Returned::HANDLED },
            Err(error) => {
                let moves = match error.disposition() {
                    Disposition::Retry { .. } => Returned::TRIED_AGAIN,
                    Disposition::DeadLetter => Returned::DEAD,
                    Disposition::Drop => Returned::HANDLED,
                };
                self.broker.world.note(format_args!("{event} failed: {}", protocol::chain(error)));
                Returned { events: ids(&error.outgoing()), moves }
            }
        };
        self.broker.returned(self.connection, event, returned);
        result
    }
}
