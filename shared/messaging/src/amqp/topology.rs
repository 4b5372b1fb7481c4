//! Declares exchanges, queues and bindings.
//!
//! What is declared exists already, as a rule, and stays as it is. Every queue is a durable quorum queue, and says
//! every limit: RabbitMQ 4 has defaults where RabbitMQ 3 has none.

use std::time::Duration;

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, Error, ErrorKind, ExchangeKind};
use protocol::topology::{
    DEAD, DELIVERY_LIMIT, EXCHANGE, Queue, QueueName, RETRY_LEVELS, RETURN, Topology, UNROUTED, WORK, retry_name,
};
use tokio::sync::{Mutex, MutexGuard};

use super::observe;

/// As good as no limit: what may not be thrown away is handed out as often as it takes. RabbitMQ 4 would set 20, and
/// RabbitMQ 3 knows no word for "none".
const UNLIMITED: u32 = i32::MAX.unsigned_abs();

/// Who has this queue creates queues. It belongs to one connection at a time, and goes with it.
const TURN: &str = "tropomq.declaring";

/// A turn lasts no longer than this without being renewed: its owner may have been cut short. Much longer than a busy
/// broker takes to create one queue.
const TURN_MAX: Duration = Duration::from_secs(10);

/// The first pause before the turn is asked for again, and the longest. The broker logs each refusal.
const TURN_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// Declares on one connection. A channel that a refused declaration closed is replaced.
///
/// What is not there yet is created by one process at a time: RabbitMQ 3.10 may answer INTERNAL_ERROR to one of two that
/// create the same quorum queue at once, and leave behind a queue that nobody can consume from. The turn is the
/// connection's, so those that share a connection take turns among themselves, too.
pub(super) struct Declaring<'a> {
    connection: &'a Connection,
    /// Held by whoever has the turn on this connection.
    creating: &'a Mutex<()>,
    channel: Channel,
    turn: Option<MutexGuard<'a, ()>>,
}

/// Why something could not be declared.
enum Refused {
    /// It is there, with other settings; the reason, with what to do.
    OtherSettings(String),
    /// Anything else.
    Failed(String),
}

impl From<Refused> for String {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::OtherSettings(reason) | Refused::Failed(reason) => reason,
        }
    }
}

impl<'a> Declaring<'a> {
    /// # Errors
    /// The reason, for people.
    pub(super) async fn on(connection: &'a Connection, creating: &'a Mutex<()>) -> Result<Self, String> {
        Ok(Self { connection, creating, channel: open(connection).await?, turn: None })
    }

    /// Declares everything. What exists with other settings is used as it is: one changed lane must not stop
    /// all the others. The log names it.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn all(mut self, topology: &Topology) -> Result<(), String> {
        let declared = self.declare_all(topology).await;
        self.end_turn().await;
        declared
    }

    /// Declares one queue, as far as it is ours: one that was deleted comes back, with its bindings.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn one(mut self, topology: &Topology, name: &QueueName) -> Result<(), String> {
        let declared = self.declare_one(topology, name).await;
        self.end_turn().await;
        declared
    }

    async fn declare_all(&mut self, topology: &Topology) -> Result<(), String> {
        // What others refer to comes first: a message that is published meanwhile must find its way.
        for kept in [UNROUTED, DEAD] {
            self.kept(kept).await?;
        }
        for shared in [EXCHANGE, WORK, RETURN] {
            self.exchange(shared).await?;
        }
        for queue in &topology.queues {
            self.bound(queue).await?;
        }
        // These come last. RabbitMQ 3 holds the registration of the newest quorum queue in memory for some seconds, and
        // a broker killed within them forgets what is in that queue, confirmed or not: so let it be an empty one.
        for level in RETRY_LEVELS {
            let name = retry_name(level);
            // The routing key is the name of the queue that it goes back to.
            let arguments = Arguments::quorum()
                .number("x-message-ttl", level.as_millis())
                .text("x-dead-letter-exchange", RETURN)
                .never_lost();
            self.exchange(&name).await?;
            self.queue(&name, arguments).await?;
            self.bind(&name, &name, "").await?;
        }
        Ok(())
    }

    async fn declare_one(&mut self, topology: &Topology, name: &QueueName) -> Result<(), String> {
        if let Some(queue) = topology.queues.iter().find(|queue| queue.name == *name) {
            for shared in [EXCHANGE, WORK, RETURN] {
                self.exchange(shared).await?;
            }
            return self.bound(queue).await;
        }
        match name.as_str() {
            kept @ (UNROUTED | DEAD) => self.kept(kept).await,
            _ => Ok(()),
        }
    }

    /// The queue of what must not be lost and nobody works on, behind an exchange of the same name.
    async fn kept(&mut self, name: &str) -> Result<(), String> {
        self.exchange(name).await?;
        self.queue(name, Arguments::quorum().number("x-delivery-limit", UNLIMITED)).await?;
        self.bind(name, name, "").await
    }

    async fn bound(&mut self, queue: &Queue) -> Result<(), String> {
        let mut arguments = Arguments::quorum();
        arguments = match queue.bound {
            // A record: nothing but its bounds removes a message, and what they remove is gone.
            Some(bound) => arguments
                .number("x-max-length", bound.messages_max)
                .text("x-overflow", "drop-head")
                .number("x-message-ttl", bound.age_max.as_millis())
                .number("x-delivery-limit", UNLIMITED),
            None => {
                arguments.number("x-delivery-limit", DELIVERY_LIMIT).text("x-dead-letter-exchange", DEAD).never_lost()
            }
        };
        if queue.single_active_consumer {
            arguments = arguments.yes("x-single-active-consumer");
        }
        let name = queue.name.as_str();
        self.queue(name, arguments).await?;
        for pattern in &queue.bindings {
            if queue.bound.is_some() {
                self.bind(name, EXCHANGE, pattern.as_str()).await?;
            } else {
                self.bind(name, WORK, pattern.as_str()).await?;
                self.pass_to_work(pattern.as_str()).await?;
            }
        }
        if queue.dead_letters {
            self.exchange(DEAD).await?;
            self.bind(name, DEAD, "").await?;
        }
        self.bind(name, RETURN, name).await
    }

    /// Ours by name: the topic exchanges, the one by which what waited returns, or a fanout exchange before one queue.
    async fn exchange(&mut self, name: &str) -> Result<(), String> {
        let unrouted = || Arguments::default().text("alternate-exchange", UNROUTED);
        let (kind, arguments) = match name {
            EXCHANGE | WORK => (ExchangeKind::Topic, unrouted()),
            RETURN => (ExchangeKind::Direct, unrouted()),
            UNROUTED => (ExchangeKind::Fanout, Arguments::default()),
            // A queue that was deleted must not lose what is published for it.
            _ => (ExchangeKind::Fanout, unrouted()),
        };
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(short(name)?, kind, options, arguments.0).await;
        self.accept(name, declared.map_err(|error| explain(&format!("exchange {name}"), &error))).await
    }

    async fn queue(&mut self, name: &str, arguments: Arguments) -> Result<(), String> {
        if !self.exists(name).await? {
            self.take_turn().await.map_err(|reason| format!("cannot create queue {name} in turn: {reason}"))?;
        }
        let declared = self.channel.queue_declare(short(name)?, QueueDeclareOptions::durable(), arguments.0).await;
        self.accept(name, declared.map(drop).map_err(|error| explain(&format!("queue {name}"), &error))).await
    }

    async fn exists(&mut self, name: &str) -> Result<bool, String> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match self.channel.queue_declare(short(name)?, options, FieldTable::default()).await {
            Ok(_) => Ok(true),
            Err(error) if is(&error, AMQPSoftError::NOTFOUND) => {
                self.channel = open(self.connection).await?;
                Ok(false)
            }
            Err(error) => Err(format!("cannot look for queue {name}: {error}")),
        }
    }

    /// Waits for the turn, as long as whoever asks for the queue waits; or renews it.
    async fn take_turn(&mut self) -> Result<(), String> {
        if self.turn.is_none() {
            self.turn = Some(self.creating.lock().await);
        }
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let (mut pause, longest) = TURN_PAUSES;
        loop {
            let arguments = Arguments::default().number("x-expires", TURN_MAX.as_millis());
            match self.channel.queue_declare(short(TURN)?, options, arguments.0).await {
                Ok(_) => return Ok(()),
                // Somebody has it, or it just goes with somebody's connection.
                Err(error) if is(&error, AMQPSoftError::RESOURCELOCKED) || is(&error, AMQPSoftError::NOTFOUND) => {
                    self.channel = open(self.connection).await?;
                    tokio::time::sleep(pause).await;
                    pause = longest.min(2 * pause);
                }
                Err(error) => return Err(format!("cannot declare queue {TURN}: {error}")),
            }
        }
    }

    /// What goes wrong with it ends with the connection, or with the turn's time.
    async fn end_turn(self) {
        let (Some(_turn), Ok(name)) = (self.turn, short(TURN)) else { return };
        // A declaration that was refused has closed the channel.
        let channel = match self.channel.status().connected() {
            true => Ok(self.channel),
            false => open(self.connection).await,
        };
        if let Ok(channel) = channel {
            let _ = channel.queue_delete(name, QueueDeleteOptions::default()).await;
        }
    }

    /// What exists with other settings is used as it is.
    async fn accept(&mut self, name: &str, declared: Result<(), Refused>) -> Result<(), String> {
        match declared {
            Ok(()) => Ok(()),
            Err(Refused::OtherSettings(reason)) => {
                observe::other_settings(name, &reason);
                self.channel = open(self.connection).await?;
                Ok(())
            }
            Err(Refused::Failed(reason)) => Err(reason),
        }
    }

    async fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), String> {
        let (queue, exchange, key) = (short(queue)?, short(exchange)?, short(key)?);
        let options = QueueBindOptions::default();
        let bound = self.channel.queue_bind(queue.clone(), exchange, key, options, FieldTable::default());
        bound.await.map_err(|error| format!("cannot bind queue {queue}: {error}"))
    }

    /// Has [`WORK`] get what comes to [`EXCHANGE`] with such a key.
    async fn pass_to_work(&mut self, key: &str) -> Result<(), String> {
        let (to, from, key) = (short(WORK)?, short(EXCHANGE)?, short(key)?);
        let bound = self.channel.exchange_bind(to, from, key, ExchangeBindOptions::default(), FieldTable::default());
        bound.await.map_err(|error| format!("cannot bind exchange {WORK}: {error}"))
    }
}

pub(super) async fn open(connection: &Connection) -> Result<Channel, String> {
    connection.create_channel().await.map_err(|error| error.to_string())
}

/// Why a declaration failed, and what an operator does about it.
fn explain(what: &str, error: &Error) -> Refused {
    match error.kind() {
        ErrorKind::ProtocolError(refused) if is(error, AMQPSoftError::PRECONDITIONFAILED) => {
            Refused::OtherSettings(format!(
                "{what} exists with other settings: drain and delete it, or undo the change ({})",
                refused.get_message()
            ))
        }
        _ => Refused::Failed(format!("cannot declare {what}: {error}")),
    }
}

pub(super) fn is(error: &Error, reason: AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(refused) if *refused.kind() == AMQPErrorKind::Soft(reason))
}

/// A name as AMQP takes it.
pub(super) fn short(name: &str) -> Result<ShortString, String> {
    ShortString::try_new(name).map_err(|error| format!("a name cannot be declared: {error}"))
}

/// The arguments of a declaration.
#[derive(Default)]
struct Arguments(FieldTable);

impl Arguments {
    fn quorum() -> Self {
        Self::default().text("x-queue-type", "quorum")
    }

    /// What dies in the queue stays there until the queue that it goes to has confirmed it. That needs a queue that
    /// refuses, and does not drop, beyond its length; it has no bound, so it never comes to that.
    fn never_lost(self) -> Self {
        self.text("x-dead-letter-strategy", "at-least-once").text("x-overflow", "reject-publish")
    }

    fn text(self, key: &'static str, value: &'static str) -> Self {
        self.with(key, AMQPValue::LongString(LongString::from(value)))
    }

    fn number(self, key: &'static str, value: impl TryInto<i64>) -> Self {
        // Nothing here comes near the largest number.
        self.with(key, AMQPValue::LongLongInt(value.try_into().unwrap_or(i64::MAX)))
    }

    fn yes(self, key: &'static str) -> Self {
        self.with(key, AMQPValue::Boolean(true))
    }

    fn with(mut self, key: &'static str, value: AMQPValue) -> Self {
        self.0.insert(ShortString::from(key), value);
        self
    }
}
