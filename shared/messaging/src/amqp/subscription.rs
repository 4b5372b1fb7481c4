//! Subscriptions: each has a channel of its own, on the first connection that has room for it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Consumer};
use protocol::topology::{QueueName, Topology};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::broker::{Broker, Connected};
use super::seats::Seats;
use super::{CLOSE_MAX, depths, driver, observe, topology, wire};
use crate::{BoxFuture, Delivery, Depths, Seat, Settler, Subscription};

/// The longest wait for a subscription. Longer than for a connection, so that the reason is told.
const SUBSCRIBE_MAX: Duration = Duration::from_secs(30);
/// Who subscribes needs a second channel for a moment, to declare the queue.
const CHANNELS_OF_A_SUBSCRIPTION: usize = 2;
/// How long a failure to connect holds for all who ask: many subscribers lose one connection together, and one
/// attempt answers them all.
const FAILURE_SHARED: Duration = Duration::from_millis(200);

/// The consuming side of the bus.
pub(super) struct Consuming {
    broker: Arc<Broker>,
    topology: Arc<Topology>,
    shared: Mutex<Shared>,
    /// Held by whoever creates queues: see [`topology::Declaring`].
    creating: Mutex<()>,
    seats: Seats,
}

/// The connections, of which one is enough but for whoever has very many queues, and the last failure.
#[derive(Default)]
struct Shared {
    connections: Vec<Arc<Connected>>,
    failed: Option<(Instant, String)>,
}

/// What a connection is wanted for.
#[derive(Clone, Copy)]
enum Wanted {
    /// A channel that stays.
    Subscription,
    /// A question that is soon answered. It is asked on the oldest connection: what belongs to a connection stays with
    /// it as long as it lives.
    Answer,
}

impl Wanted {
    /// Whether a connection can take it. Each subscription holds its connection, and so does the list.
    fn fits(self, connection: &Arc<Connected>) -> bool {
        let channels_max = usize::from(connection.configuration().channel_max());
        match self {
            Self::Subscription => Arc::strong_count(connection) * CHANNELS_OF_A_SUBSCRIPTION < channels_max,
            Self::Answer => true,
        }
    }
}

impl Consuming {
    pub(super) fn new(broker: Arc<Broker>, topology: Arc<Topology>) -> Self {
        let (shared, creating, seats) = Default::default();
        Self { broker, topology, shared, creating, seats }
    }

    /// # Errors
    /// The reason, for people.
    pub(super) async fn subscribe(&self, queue: &QueueName, prefetch: u16) -> Result<Channelled, String> {
        self.on_connection(Wanted::Subscription, |connection| self.subscribe_on(connection, queue, prefetch)).await
    }

    /// How many messages are ready in those of these queues that are there.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn depths(&self, queues: &[QueueName]) -> Result<Depths, String> {
        self.on_connection(Wanted::Answer, |connection| async move { depths::count(&connection, queues).await }).await
    }

    /// The seat of this process among those who consume a queue. It goes with the connection that it was taken on.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn seat(&self, among: &QueueName) -> Result<Seat, String> {
        self.on_connection(Wanted::Answer, |connection| async move { self.seats.take(&connection, among).await }).await
    }

    /// Asks something of the broker on a connection, and gives that up if no answer comes.
    async fn on_connection<T, Asking>(
        &self,
        wanted: Wanted,
        ask: impl FnOnce(Arc<Connected>) -> Asking,
    ) -> Result<T, String>
    where
        Asking: Future<Output = Result<T, String>>,
    {
        let mut used = None;
        let asking = async {
            let connection = self.connection(wanted).await?;
            // It does not count among those that hold it.
            used = Some(Arc::downgrade(&connection));
            ask(connection).await
        };
        if let Ok(answered) = timeout(SUBSCRIBE_MAX, asking).await {
            return answered;
        }
        // Whatever is wrong with the connection, the next attempt is not made on it. Those that have a channel on it
        // keep it.
        if let Some(used) = used {
            let mut shared = self.shared.lock().await;
            shared.connections.retain(|connection| !Weak::ptr_eq(&Arc::downgrade(connection), &used));
        }
        Err(format!("no answer within {SUBSCRIBE_MAX:?}"))
    }

    /// The oldest connection that has room, a fresh one if there is none.
    async fn connection(&self, wanted: Wanted) -> Result<Arc<Connected>, String> {
        let mut shared = self.shared.lock().await;
        shared.connections.retain(|connection| connection.status().connected());
        if let Some(connection) = shared.connections.iter().find(|connection| wanted.fits(connection)) {
            return Ok(Arc::clone(connection));
        }
        match &shared.failed {
            Some((at, reason)) if at.elapsed() < FAILURE_SHARED => return Err(reason.clone()),
            Some(_) | None => {}
        }
        match self.broker.connect("tropomq consume").await {
            Ok(connection) => {
                shared.failed = None;
                let connection = Arc::new(connection);
                shared.connections.push(Arc::clone(&connection));
                Ok(connection)
            }
            Err(reason) => {
                shared.failed = Some((Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }

    async fn subscribe_on(
        &self,
        connection: Arc<Connected>,
        queue: &QueueName,
        prefetch: u16,
    ) -> Result<Channelled, String> {
        let name = ShortString::try_new(queue.as_str()).map_err(|error| error.to_string())?;
        topology::Declaring::on(&connection, &self.creating).await?.one(&self.topology, queue).await?;
        let channel = connection.create_channel().await.map_err(|error| error.to_string())?;
        let consuming = async {
            // Before the consumer: it counts from the next one only. And 0 would mean without a bound.
            channel.basic_qos(prefetch.max(1), BasicQosOptions::default()).await?;
            let tag = ShortString::from("");
            channel.basic_consume(name, tag, BasicConsumeOptions::default(), FieldTable::default()).await
        };
        let consumer = consuming.await.map_err(|error| error.to_string())?;
        Ok(Channelled { queue: queue.clone(), channel, consumer, ended: false, _connection: connection })
    }

    /// Closes the connections: what is unsettled goes back.
    pub(super) async fn close(&self) {
        // A subscriber that is just connecting may hold it; what it gets ends with the bus.
        let Ok(mut shared) = timeout(CLOSE_MAX, self.shared.lock()).await else { return };
        let connections = std::mem::take(&mut shared.connections);
        join_all(connections.iter().map(|connection| driver::close(connection))).await;
    }
}

/// A consumer on a channel of its own. Both are given up with it, and the broker then takes back what is unsettled.
pub(super) struct Channelled {
    queue: QueueName,
    channel: Channel,
    consumer: Consumer,
    ended: bool,
    /// Its line is cut with the last that holds it.
    _connection: Arc<Connected>,
}

impl Channelled {
    fn read(&self, delivery: lapin::message::Delivery) -> Delivery {
        let lapin::message::Delivery { routing_key, redelivered, properties, data, acker, .. } = delivery;
        Delivery {
            queue: self.queue.clone(),
            routing_key: routing_key.as_str().to_owned(),
            redelivered: redelivered || wire::was_delivered(&properties),
            properties: wire::read(&properties, &self.queue),
            body: Bytes::from(data),
            settler: Box::new(Tagged { queue: self.queue.clone(), acker }),
        }
    }
}

impl Subscription for Channelled {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async {
            if self.ended {
                return None;
            }
            match self.consumer.next().await {
                Some(Ok(delivery)) => return Some(self.read(delivery)),
                Some(Err(error)) => observe::subscription_lost(&self.queue, &error),
                None => {}
            }
            self.ended = true;
            None
        })
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let cancelling = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
            match timeout(CLOSE_MAX, cancelling).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => observe::not_cancelled(&self.queue, &error.to_string()),
                Err(_) => observe::not_cancelled(&self.queue, "no answer"),
            }
        })
    }
}

/// Closes the channel at once. lapin would cancel the consumer first: where one consumer at a time is served, the next
/// would then get new messages before those that this one gives back.
impl Drop for Channelled {
    fn drop(&mut self) {
        // The first poll sends it; nobody needs the answer, nor cares if the channel is closed already.
        let _ = self.channel.close(REPLY_SUCCESS, "subscription dropped".into()).now_or_never();
    }
}

/// Settles by the delivery's own acker, which knows whether its channel still lives: a tag that is settled twice, or
/// on another channel, would end that channel.
struct Tagged {
    queue: QueueName,
    acker: Acker,
}

impl Tagged {
    fn report(&self, settled: lapin::Result<bool>) {
        match settled {
            Ok(true) => {}
            Ok(false) => observe::not_settled(&self.queue, "its channel is gone"),
            Err(error) => observe::not_settled(&self.queue, &error.to_string()),
        }
    }
}

impl Settler for Tagged {
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.report(self.acker.ack(BasicAckOptions::default()).await) })
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        Box::pin(async move { self.report(self.acker.nack(options).await) })
    }
}
