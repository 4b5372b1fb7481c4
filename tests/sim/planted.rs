//! Mistakes that are planted, to know that the simulation would find them.

use std::fmt;
use std::sync::Arc;

use messaging::{
    BoxFuture, Bus, BusState, Context, Delivery, DepthError, Depths, Disposition, Handler, Message, Outgoing,
    PublishError, Settle, Settler, SubscribeError, Subscription,
};
use protocol::topology::QueueName;
use protocol::{Envelope, EventId, Kind, MessageSend};
use tokio::sync::watch;

use crate::world::World;

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plant {
    /// None: the product as it is.
    Nothing,
    /// Deliveries are acknowledged as soon as they come.
    AcknowledgeFirst,
    /// Publications are said to be confirmed before they are.
    ConfirmFirst,
    /// What router sends has a fresh id each time.
    RandomIds,
    /// The document is handed out, and its message claimed afterwards.
    ClaimLater,
    /// A session that is refused a message gets it all the same.
    SecondDocument,
    /// The claim does not say whom the message is for.
    ForgetConsent,
    /// What should be tried again is settled instead.
    DropInsteadOfRetry,
}

/// The bus with what is planted into it.
pub(crate) fn bus(world: &Arc<World>, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
    match world.plant {
        Plant::AcknowledgeFirst | Plant::ConfirmFirst => Arc::new(Hasty { world: Arc::clone(world), bus }),
        Plant::Nothing
        | Plant::RandomIds
        | Plant::ClaimLater
        | Plant::SecondDocument
        | Plant::ForgetConsent
        | Plant::DropInsteadOfRetry => bus,
    }
}

/// A bus that acknowledges what it delivers, or confirms what it did not keep yet.
struct Hasty {
    world: Arc<World>,
    bus: Arc<dyn Bus>,
}

impl fmt::Debug for Hasty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasty")
    }
}

impl Bus for Hasty {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        if self.world.plant != Plant::ConfirmFirst {
            return self.bus.publish(message);
        }
        let bus = Arc::clone(&self.bus);
        self.world.spawn(async move { drop(bus.publish(message).await) });
        Box::pin(async { Ok(()) })
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async move {
            let subscription = self.bus.subscribe(queue, prefetch).await?;
            if self.world.plant != Plant::AcknowledgeFirst {
                return Ok(subscription);
            }
            Ok(Box::new(HastySubscription(subscription)) as Box<dyn Subscription>)
        })
    }

    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        self.bus.depths(queues)
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.bus.state()
    }

    fn system(&self) -> &'static str {
        self.bus.system()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.bus.close()
    }
}

struct HastySubscription(Box<dyn Subscription>);

impl Subscription for HastySubscription {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async {
            let delivery = self.0.next().await?;
            delivery.settler.ack().await;
            Some(Delivery { settler: Box::new(Settled), ..delivery })
        })
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        self.0.cancel()
    }
}

struct Settled;

impl Settler for Settled {
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// A handler whose messages have fresh ids.
pub(crate) struct RandomIds<H>(pub(crate) H);

impl<H: Handler> Handler for RandomIds<H> {
    type Event = H::Event;
    type Error = H::Error;

    async fn handle(&self, envelope: Envelope<H::Event>, context: &Context) -> Result<Vec<Outgoing>, H::Error> {
        let mut returned = self.0.handle(envelope, context).await?;
        for outgoing in &mut returned {
            if outgoing.head().event_type.kind == Kind::MessageSend {
                let mut send: Envelope<MessageSend> = Envelope::from_body(outgoing.body()).unwrap();
                send.head.id = EventId::from(context.environment.chance.uuid());
                *outgoing = Outgoing::new(&send);
            }
        }
        Ok(returned)
    }
}

/// A handler whose failures are settled where they should be tried again.
pub(crate) struct Dropping<H>(pub(crate) H);

/// Its error.
#[derive(Debug)]
pub(crate) struct Dropped<E>(E);

impl<E: fmt::Debug> fmt::Display for Dropped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped")
    }
}

impl<E: fmt::Debug> std::error::Error for Dropped<E> {}

impl<E: Settle> Settle for Dropped<E> {
    fn disposition(&self) -> Disposition {
        match self.0.disposition() {
            Disposition::Retry { .. } => Disposition::Drop,
            other => other,
        }
    }

    fn outgoing(&self) -> Vec<Outgoing> {
        self.0.outgoing()
    }
}

impl<H: Handler> Handler for Dropping<H> {
    type Event = H::Event;
    type Error = Dropped<H::Error>;

    async fn handle(&self, envelope: Envelope<H::Event>, context: &Context) -> Result<Vec<Outgoing>, Self::Error> {
        self.0.handle(envelope, context).await.map_err(Dropped)
    }
}
