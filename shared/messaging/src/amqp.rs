//! RabbitMQ behind the seam.
//!
//! Two connections: one publishes, one consumes, because a broker that is short of memory stops reading from a
//! connection that publishes, and acknowledgements must not wait behind that. Whoever has more subscriptions than a
//! connection has room for, some thousand, has a further one for each thousand. The driver alone publishes: lapin
//! credits a confirm to the wrong message when several tasks publish on one channel. No connection mends itself;
//! whatever fails on one drops it with its channels, and another is opened.

mod backoff;
mod broker;
pub mod declared;
mod definitions;
mod depths;
mod driver;
mod observe;
mod seats;
mod subscription;
mod topology;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::topology::{QueueName, Topology};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::bus::closed;
use crate::{
    BoxFuture, Bus, BusState, DepthError, Depths, Message, Opened, PublishError, Seat, SeatError, SubscribeError,
    Subscription,
};
use broker::Broker;
use driver::{CONFIRM_MAX, Driver, Request};
use subscription::Consuming;
use wire::Publication;

pub use definitions::definitions;

/// How many messages may wait to be published, besides those whose confirm is outstanding. Each has somebody waiting
/// for it, so this is but a guard.
const WAITING_MAX: usize = 16_384;
/// The longest wait for the other side when a connection is closed.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// Why the URL of a RabbitMQ cannot be used. Never quotes the URL: it holds the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is no URL of an AMQP server.
    #[error("must be amqp:// or amqps:// with a host")]
    NotAmqp,
    /// A part of it cannot be read, such as `heartbeat` in the query.
    #[error("a part of the AMQP URL is unreadable: {0}")]
    Unreadable(String),
}

/// Opens the bus on the RabbitMQ at `url`, and returns at once: its driver connects, declares `topology`, and does
/// both again whenever the broker was away.
///
/// The query of the URL may set `heartbeat` (seconds, 10 unless set) and `connection_timeout` (milliseconds, 10 000
/// unless set): the longest wait for a connection that is open and may be used. The addresses of the host share it, and
/// no address gets more than 1.5 s of it to be reached at all. Without a virtual host, or with an empty one, it is `/`.
///
/// # Errors
/// [`OpenError`] says what is wrong with the URL.
pub fn open(url: &url::Url, topology: Topology) -> Result<Opened, OpenError> {
    let broker = Arc::new(Broker::new(url)?);
    let topology = Arc::new(topology);
    let closing = CancellationToken::new();
    let (state, watched) = watch::channel(BusState::Away("not connected yet".to_owned()));
    let (requests, requested) = mpsc::channel(WAITING_MAX);
    let driver = Driver::new(Arc::clone(&broker), Arc::clone(&topology), requested, state, closing.clone());
    let bus = Amqp { requests, state: watched, closing, consuming: Consuming::new(broker, topology) };
    Ok(Opened { bus: Arc::new(bus), driver: Box::pin(driver.run()) })
}

/// Whether a message fits into AMQP, and would not be refused for what it is.
pub(crate) fn can_carry(message: &Message) -> bool {
    Publication::of(message.clone()).is_ok()
}

/// The bus: hands publications to its driver, and subscribes by itself.
struct Amqp {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<BusState>,
    closing: CancellationToken,
    consuming: Consuming,
}

impl Amqp {
    async fn hand_over(&self, message: Message) -> Result<(), PublishError> {
        let publication = Publication::of(message).map_err(|unfit| {
            observe::unfit(&unfit);
            PublishError::Refused
        })?;
        self.state.borrow().takes()?;
        let (reply, answer) = oneshot::channel();
        // Never waits for a place: where many wait, who came first does not get it first, and a publisher's messages
        // would change their order.
        self.requests.try_send(Request { publication, reply }).map_err(|error| match error {
            TrySendError::Full(_) => PublishError::Unavailable("too many messages wait to be published".to_owned()),
            TrySendError::Closed(_) => closed(),
        })?;
        // The driver drops what it cannot answer for when it drops the channel that it was published on.
        answer.await.unwrap_or_else(|_| Err(PublishError::Unknown("the connection was lost".to_owned())))
    }
}

impl Bus for Amqp {
    /// Refuses what AMQP cannot carry, and never cuts it: a body over 16 MiB, headers over 64 KiB in all, and a
    /// routing key, a property or the name of a header over 255 bytes.
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(self.hand_over(message))
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async move {
            let subscribing = self.closing.run_until_cancelled(self.consuming.subscribe(queue, prefetch));
            let subscribed = subscribing.await.unwrap_or_else(|| Err("the bus is closed".to_owned()));
            match subscribed {
                Ok(subscription) => Ok(Box::new(subscription) as Box<dyn Subscription>),
                Err(reason) => Err(SubscribeError { queue: queue.clone(), reason }),
            }
        })
    }

    /// What is in the hands of consumers is not told: RabbitMQ says it over its management API alone.
    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async move {
            let counting = self.closing.run_until_cancelled(self.consuming.depths(queues));
            let counted = counting.await.unwrap_or_else(|| Err("the bus is closed".to_owned()));
            counted.map_err(DepthError)
        })
    }

    fn seat<'a>(&'a self, among: &'a QueueName) -> BoxFuture<'a, Result<Seat, SeatError>> {
        Box::pin(async move {
            let seating = self.closing.run_until_cancelled(self.consuming.seat(among));
            let seated = seating.await.unwrap_or_else(|| Err("the bus is closed".to_owned()));
            seated.map_err(SeatError)
        })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.clone()
    }

    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    /// Takes 22 s at most, when the broker does not answer: the longest wait for a confirm, and for two connections.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.closing.cancel();
            let mut state = self.state.clone();
            let ended = state.wait_for(|state| *state == BusState::Closed);
            // Nothing is outstanding once the driver is gone, and no more can be done when it does not end.
            let _ = timeout(CONFIRM_MAX + 2 * CLOSE_MAX, ended).await;
            self.consuming.close().await;
        })
    }
}

impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amqp").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
