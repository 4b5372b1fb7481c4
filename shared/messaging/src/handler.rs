//! What a service writes: a handler. Data in, data out.

use std::any::Any;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocol::topology::QueueName;
use protocol::{Envelope, Event, Head, Timestamp};
use tokio::sync::mpsc;
use tracing::Span;

use crate::{Delivery, Environment};

/// Handles one kind of event.
///
/// A handler neither publishes nor settles: it returns what should be published. It may be handed the same event
/// again after any crash, so what it returns has derived ids, and what it does elsewhere is idempotent.
pub trait Handler: Send + Sync + 'static {
    /// The event that it handles.
    type Event: Event;
    /// What leaves an event unsettled. "No, never" is an outcome and becomes an event instead.
    type Error: Settle;

    /// Handles an event, and returns what it causes.
    ///
    /// # Errors
    /// The error's [`Settle::disposition`] says what becomes of the event.
    fn handle(
        &self,
        envelope: Envelope<Self::Event>,
        context: &Context,
    ) -> impl Future<Output = Result<Vec<Outgoing>, Self::Error>> + Send;
}

/// What becomes of an event whose handling failed.
pub trait Settle: std::error::Error + Send + Sync + 'static {
    /// Whether it is tried again, dead or dropped.
    fn disposition(&self) -> Disposition;

    /// What to publish all the same, before the event is settled so.
    fn outgoing(&self) -> Vec<Outgoing> {
        Vec::new()
    }
}

/// A handler that cannot fail.
impl Settle for std::convert::Infallible {
    fn disposition(&self) -> Disposition {
        match *self {}
    }
}

/// Sees deliveries of whatever kind, as they came: for those who keep a record. It causes nothing.
pub trait Witness: Send + Sync + 'static {
    /// Takes note of a delivery, and returns once the note is kept: only then the delivery is acknowledged. It may be
    /// shown the same delivery again.
    ///
    /// # Cancel safety
    /// A future that is dropped may or may not have kept its note; the delivery comes again.
    fn note(&self, delivery: &Delivery, context: &Context) -> impl Future<Output = ()> + Send;
}

/// What becomes of an event whose handling failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// It waits and is handled again, by the consumer's retry policy; it is dead when the policy has no more.
    Retry {
        /// The least wait, where the other side asked for one.
        after: Option<Duration>,
    },
    /// It goes to the dead letters, with this error as the reason: visible, and replayable.
    DeadLetter,
    /// It is settled, and that is all: nobody needs it any more.
    Drop,
}

/// The circumstances of handling.
#[derive(Debug)]
pub struct Context {
    /// Which attempt this is, from 1. Redeliveries after a crash are not counted.
    pub attempt: u32,
    /// When an operator had the event handled anew, if it was dead before.
    pub replayed_at: Option<Timestamp>,
    /// Whether it may have been handled before, in part or whole.
    pub redelivered: bool,
    /// The queue that the event came from.
    pub queue: QueueName,
    /// Clock and chance.
    pub environment: Environment,
    pub(crate) progress: mpsc::UnboundedSender<Progress>,
    held: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// An event about progress, on its way to the loop that publishes it.
#[derive(Debug)]
pub struct Progress {
    /// The event.
    pub outgoing: Outgoing,
    /// Where it was reported: its trace is that of the event being handled, not of the loop.
    pub(crate) span: Span,
}

impl Context {
    /// The circumstances for whoever calls a handler without a consume loop, as tests do; with what it reports as
    /// progress.
    #[must_use]
    pub fn new(attempt: u32, queue: QueueName, environment: Environment) -> (Self, mpsc::UnboundedReceiver<Progress>) {
        let (progress, reported) = mpsc::unbounded_channel();
        (Self::of((attempt, false), None, queue, environment, progress), reported)
    }

    pub(crate) fn of(
        (attempt, redelivered): (u32, bool),
        replayed_at: Option<Timestamp>,
        queue: QueueName,
        environment: Environment,
        progress: mpsc::UnboundedSender<Progress>,
    ) -> Self {
        Self { attempt, replayed_at, redelivered, queue, environment, progress, held: Mutex::default() }
    }

    /// Keeps something until the event is settled: until what it causes is confirmed, too. A turn, say, for which
    /// others wait.
    pub fn until_settled(&self, held: impl Any + Send) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(held));
    }

    /// Publishes an event about progress at once, for those who watch. Nothing may rest on it: it is not waited for,
    /// and lost if the bus is away.
    pub fn progress(&self, outgoing: Outgoing) {
        // The consume loop has ended if nobody listens; then nobody watches either.
        let _ = self.progress.send(Progress { outgoing, span: Span::current() });
    }
}

/// An event to be published.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub(crate) head: Head,
    pub(crate) routing_key: String,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// The event, written for the bus.
    #[must_use]
    pub fn new<T: Event>(envelope: &Envelope<T>) -> Self {
        Self { head: envelope.head.clone(), routing_key: envelope.routing_key(), body: envelope.to_body().into() }
    }

    /// What the event says about itself.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its body: for those who test a handler.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
