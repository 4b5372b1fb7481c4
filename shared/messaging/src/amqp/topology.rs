//! Declares exchanges, queues and bindings.
//!
//! What is declared exists already, as a rule, and stays as it is. Every queue is a durable quorum queue, and says
//! every limit: RabbitMQ 4 has defaults where RabbitMQ 3 has none.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Error, ErrorKind, ExchangeKind};
use protocol::topology::{
    DEAD, DELIVERY_LIMIT, EXCHANGE, Queue, QueueName, RETRY_LEVELS, Topology, UNROUTED, retry_name,
};

/// As good as no limit: what may not be thrown away is handed out as often as it takes. RabbitMQ 4 would set 20, and
/// RabbitMQ 3 knows no word for "none".
const UNLIMITED: u32 = i32::MAX.unsigned_abs();

/// Declares everything.
///
/// # Errors
/// The reason, for people.
pub(super) async fn declare(channel: &Channel, topology: &Topology) -> Result<(), String> {
    // What others refer to comes first: a message that is published meanwhile must find its way.
    for kept in [UNROUTED, DEAD] {
        declare_kept(channel, kept).await?;
    }
    declare_exchange(channel, EXCHANGE).await?;
    for queue in &topology.queues {
        declare_bound(channel, queue).await?;
    }
    // These come last. RabbitMQ 3 holds the registration of the newest quorum queue in memory for some seconds, and a
    // broker killed within them forgets what is in that queue, confirmed or not: so let it be one that is empty.
    for level in RETRY_LEVELS {
        let name = retry_name(level);
        let arguments = Arguments::quorum()
            .number("x-message-ttl", level.as_millis())
            // The default exchange: a message goes to the queue that its routing key names.
            .text("x-dead-letter-exchange", "")
            .never_lost();
        declare_exchange(channel, &name).await?;
        declare_queue(channel, &name, arguments).await?;
        bind(channel, &name, &name, "").await?;
    }
    Ok(())
}

/// Declares one queue, as far as it is ours: one that was deleted comes back, with its bindings.
///
/// # Errors
/// The reason, for people.
pub(super) async fn declare_one(channel: &Channel, topology: &Topology, name: &QueueName) -> Result<(), String> {
    if let Some(queue) = topology.queues.iter().find(|queue| queue.name == *name) {
        declare_exchange(channel, EXCHANGE).await?;
        return declare_bound(channel, queue).await;
    }
    match name.as_str() {
        kept @ (UNROUTED | DEAD) => declare_kept(channel, kept).await,
        _ => Ok(()),
    }
}

/// The queue of what must not be lost and nobody works on, behind an exchange of the same name.
async fn declare_kept(channel: &Channel, name: &str) -> Result<(), String> {
    declare_exchange(channel, name).await?;
    declare_queue(channel, name, Arguments::quorum().number("x-delivery-limit", UNLIMITED)).await?;
    bind(channel, name, name, "").await
}

async fn declare_bound(channel: &Channel, queue: &Queue) -> Result<(), String> {
    let mut arguments = Arguments::quorum();
    arguments = match queue.bound {
        // A record: nothing but its bounds removes a message, and what they remove is gone.
        Some(bound) => arguments
            .number("x-max-length", bound.messages_max)
            .text("x-overflow", "drop-head")
            .number("x-message-ttl", bound.age_max.as_millis())
            .number("x-delivery-limit", UNLIMITED),
        None => arguments.number("x-delivery-limit", DELIVERY_LIMIT).text("x-dead-letter-exchange", DEAD).never_lost(),
    };
    if queue.single_active_consumer {
        arguments = arguments.yes("x-single-active-consumer");
    }
    declare_queue(channel, queue.name.as_str(), arguments).await?;
    for pattern in &queue.bindings {
        bind(channel, queue.name.as_str(), EXCHANGE, pattern.as_str()).await?;
    }
    Ok(())
}

/// The topic exchange, or a fanout exchange before one queue.
async fn declare_exchange(channel: &Channel, name: &str) -> Result<(), String> {
    let (kind, arguments) = match name {
        EXCHANGE => (ExchangeKind::Topic, Arguments::default().text("alternate-exchange", UNROUTED)),
        _ => (ExchangeKind::Fanout, Arguments::default()),
    };
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(short(name)?, kind, options, arguments.0).await;
    declared.map_err(|error| explain(&format!("exchange {name}"), &error))
}

async fn declare_queue(channel: &Channel, name: &str, arguments: Arguments) -> Result<(), String> {
    let declared = channel.queue_declare(short(name)?, QueueDeclareOptions::durable(), arguments.0).await;
    declared.map(drop).map_err(|error| explain(&format!("queue {name}"), &error))
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), String> {
    let (queue, exchange, key) = (short(queue)?, short(exchange)?, short(key)?);
    let bound = channel.queue_bind(queue.clone(), exchange, key, QueueBindOptions::default(), FieldTable::default());
    bound.await.map_err(|error| format!("cannot bind queue {queue}: {error}"))
}

/// Why a declaration failed, and what an operator does about it.
fn explain(what: &str, error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(refused)
            if *refused.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) =>
        {
            format!(
                "{what} exists with other settings: drain and delete it, or undo the change ({})",
                refused.get_message()
            )
        }
        _ => format!("cannot declare {what}: {error}"),
    }
}

/// A name as AMQP takes it.
fn short(name: &str) -> Result<ShortString, String> {
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
