//! What a bus is: publish with a confirm, subscribe, settle.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use protocol::topology::QueueName;
use tokio::sync::watch;

use crate::{Environment, Seat, SeatError};

/// A boxed future, as object-safe traits return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Waits until `bus` takes what is published. What reads connects by itself, and may be there before that.
///
/// # Errors
/// [`PublishError::Unavailable`]: it does not within `patience`, or is closed.
///
/// # Cancel safety
/// Safe: it changes nothing.
pub async fn until_it_publishes(
    bus: &dyn Bus,
    environment: &Environment,
    patience: Duration,
) -> Result<(), PublishError> {
    let mut state = bus.state();
    tokio::select! {
        biased;
        // An error says that the bus is gone; its last state tells that.
        _ = state.wait_for(|state| matches!(state, BusState::Ready | BusState::Closed)) => {}
        () = environment.clock.sleep(patience) => {}
    }
    bus.state().borrow().takes()
}

/// A bus with tropomq's topology on it.
///
/// Both kinds promise: a message whose publication was confirmed is on durable storage, in every queue bound for it
/// or in `tropomq.unrouted`; a delivery stays with its consumer until it is settled, and comes again, marked as
/// redelivered, if its consumer ends before that.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Publishes a message, and returns once the bus has confirmed that it keeps it.
    ///
    /// Many may be under way at once. The bus is asked at most once for each call.
    ///
    /// # Errors
    /// [`PublishError`] says whether the message may be on the bus all the same.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not publish.
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>>;

    /// Subscribes to a queue: at most `prefetch` of its deliveries are unsettled at a time.
    ///
    /// # Errors
    /// [`SubscribeError`]; the caller waits and tries again.
    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>>;

    /// How many messages are in these queues now. A queue that is not there is left out. What a bus cannot tell is left
    /// open in [`Depth`].
    ///
    /// # Errors
    /// [`DepthError`] when the bus does not answer.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>>;

    /// Keeps the seat of this process among those who consume a queue, or takes one: the lowest that is free. A bus of
    /// one process has one.
    ///
    /// # Errors
    /// [`SeatError`] when the bus does not answer.
    ///
    /// # Cancel safety
    /// Safe: a seat that was taken is found the next time.
    fn seat<'a>(&'a self, among: &'a QueueName) -> BoxFuture<'a, Result<Seat, SeatError>> {
        let _ = among;
        Box::pin(async { Ok(Seat::ONLY) })
    }

    /// Whether it can be published to, and every change of that.
    fn state(&self) -> watch::Receiver<BusState>;

    /// The value of `messaging.system` in telemetry.
    fn system(&self) -> &'static str;

    /// Waits for what was published to be confirmed, then closes. Nothing can be published afterwards.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The deliveries of one queue to one consumer. Dropping it gives back what is not settled.
pub trait Subscription: Send {
    /// The next delivery. `None` when the subscription has ended: the connection was lost, say, or the queue deleted.
    ///
    /// # Cancel safety
    /// Safe: no delivery is lost when the future is dropped.
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>>;

    /// Asks for no more deliveries. Those in hand can still be settled, until the subscription is dropped.
    fn cancel(&mut self) -> BoxFuture<'_, ()>;
}

/// A message that was handed out, to be settled.
pub struct Delivery {
    /// The queue that it was taken from.
    pub queue: QueueName,
    /// The routing key that it came with.
    pub routing_key: String,
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Bytes,
    /// Whether it was handed out before.
    pub redelivered: bool,
    /// How to settle it.
    pub settler: Box<dyn Settler>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.queue)
            .field("routing_key", &self.routing_key)
            .field("message_id", &self.properties.message_id)
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}

/// Settles one delivery.
pub trait Settler: Send + Sync {
    /// Takes it off the queue. When the connection is gone meanwhile, nothing happens: it will come again.
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()>;

    /// Puts it back on the queue.
    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A message on its way to the bus.
#[derive(Clone)]
pub struct Message {
    /// Where it goes.
    pub destination: Destination,
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("destination", &self.destination)
            .field("message_id", &self.properties.message_id)
            .finish_non_exhaustive()
    }
}

/// Where a message goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// To every queue bound for the routing key, `<kind>.<backend>`; to `tropomq.unrouted` where there is none.
    Topic {
        /// The routing key.
        routing_key: String,
    },
    /// To one queue, after it has waited.
    Delayed {
        /// The queue.
        queue: QueueName,
        /// How long, at least. The longest wait is an hour (`protocol::topology::RETRY_LEVELS`).
        delay: Duration,
    },
    /// To the dead letters.
    Dead,
}

/// What a message says about itself outside its body.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Properties {
    /// AMQP `message_id`: the id of the event.
    pub message_id: Option<String>,
    /// AMQP `correlation_id`: the Tropo session that began the conversation.
    pub correlation_id: Option<String>,
    /// AMQP `type`: kind and version.
    pub message_type: Option<String>,
    /// AMQP `app_id`: who published it.
    pub app_id: Option<String>,
    /// AMQP `timestamp`: seconds since 1970.
    pub timestamp: Option<u64>,
    /// AMQP headers; values that are not strings are given as their text.
    pub headers: BTreeMap<String, String>,
}

/// Whether a bus can be published to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BusState {
    /// Yes.
    Ready,
    /// Not connected, and why.
    Away(String),
    /// Connected, but it takes no messages at present (a memory or disk alarm), and why.
    Blocked(String),
    /// Closed for good by [`Bus::close`].
    Closed,
}

impl BusState {
    /// Whether what is published now is taken.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`] says why not.
    pub(crate) fn takes(&self) -> Result<(), PublishError> {
        match self {
            Self::Ready => Ok(()),
            Self::Away(reason) | Self::Blocked(reason) => Err(PublishError::Unavailable(reason.clone())),
            Self::Closed => Err(closed()),
        }
    }
}

/// The bus is closed, for good.
pub(crate) fn closed() -> PublishError {
    PublishError::Unavailable("the bus is closed".to_owned())
}

/// Why a publication was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It was not taken: it is certainly not on the bus.
    #[error("bus is not available: {0}")]
    Unavailable(String),
    /// The bus answered no: it does not keep it.
    #[error("bus refused the message")]
    Refused,
    /// There is no room for it, and will not be soon: it is certainly not kept, and trying again is of no use.
    #[error("there is no room for the message: {0}")]
    NoRoom(String),
    /// No answer came: it may or may not be on the bus. Publishing it again with the same id is safe.
    #[error("bus did not confirm the message: {0}")]
    Unknown(String),
}

/// Why a subscription could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot consume from {queue}: {reason}")]
pub struct SubscribeError {
    /// The queue.
    pub queue: QueueName,
    /// What the bus said.
    pub reason: String,
}

/// How many messages queues hold.
pub type Depths = BTreeMap<QueueName, Depth>;

/// How many messages a queue holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Depth {
    /// Ready to be handed out: neither in anybody's hand nor waiting to be tried again.
    pub ready: u64,
    /// In the hands of consumers, unsettled. `None` where the bus does not tell.
    pub in_hand: Option<u64>,
    /// Waiting to be tried again. `None` where they wait in queues that all share
    /// (`protocol::topology::retry_name`).
    pub delayed: Option<u64>,
    /// How many consume it.
    pub consumers: u64,
}

/// Why queues could not be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot count the messages in queues: {0}")]
pub struct DepthError(pub String);
