//! Declares exchanges, queues and bindings.
//!
//! What is declared exists already, as a rule, and stays as it is.

use std::time::Duration;

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, Error, ErrorKind, ExchangeKind};
use protocol::topology::{QueueName, Topology};

use super::declared::{self, Argument, Arguments, Binding, Declared, DeclaredExchange, DeclaredQueue, Target};
use super::observe;

/// Who has this queue creates queues. It belongs to one connection at a time, and goes with it.
const TURN: &str = "tropomq.declaring";

/// A turn lasts no longer than this without being renewed: its owner may have been cut short. Much longer than a busy
/// broker takes to create one queue.
const TURN_MAX: Duration = Duration::from_secs(10);

/// How often the turn is asked for.
const TURN_INTERVAL: Duration = Duration::from_millis(50);

/// Declares on one connection. A channel that a refused declaration closed is replaced.
///
/// What is not there yet is created by one process at a time: RabbitMQ 3.10 may answer INTERNAL_ERROR to one of two that
/// create the same quorum queue at once, and leave behind a queue that nobody can consume from. The turn is the
/// connection's, so there is at most one of these on a connection at a time.
pub(super) struct Declaring<'a> {
    connection: &'a Connection,
    channel: Channel,
    has_turn: bool,
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
    pub(super) async fn on(connection: &'a Connection) -> Result<Self, String> {
        Ok(Self { connection, channel: open(connection).await?, has_turn: false })
    }

    /// Declares everything. What exists with other settings is used as it is: one changed lane must not stop
    /// all the others. The log names it.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn all(mut self, topology: &Topology) -> Result<(), String> {
        let declared = self.declare(declared::all(topology)).await;
        self.end_turn().await;
        declared
    }

    /// Declares one queue, as far as it is ours: one that was deleted comes back, with its bindings.
    ///
    /// # Errors
    /// The reason, for people.
    pub(super) async fn one(mut self, topology: &Topology, name: &QueueName) -> Result<(), String> {
        let declared = self.declare(declared::one(topology, name)).await;
        self.end_turn().await;
        declared
    }

    async fn declare(&mut self, declared: impl IntoIterator<Item = Declared>) -> Result<(), String> {
        for one in declared {
            match one {
                Declared::Exchange(exchange) => self.exchange(exchange).await?,
                Declared::Queue(queue) => self.queue(queue).await?,
                Declared::Binding(binding) => self.bind(binding).await?,
            }
        }
        Ok(())
    }

    async fn exchange(&mut self, exchange: DeclaredExchange) -> Result<(), String> {
        let DeclaredExchange { name, kind, arguments } = exchange;
        let kind = match kind {
            declared::ExchangeKind::Topic => ExchangeKind::Topic,
            declared::ExchangeKind::Direct => ExchangeKind::Direct,
            declared::ExchangeKind::Fanout => ExchangeKind::Fanout,
        };
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(short(&name)?, kind, options, table(&arguments)).await;
        self.accept(&name, declared.map_err(|error| explain(&format!("exchange {name}"), &error))).await
    }

    async fn queue(&mut self, queue: DeclaredQueue) -> Result<(), String> {
        let DeclaredQueue { name, arguments } = queue;
        if !self.exists(&name).await? {
            self.take_turn().await?;
        }
        let options = QueueDeclareOptions::durable();
        let declared = self.channel.queue_declare(short(&name)?, options, table(&arguments)).await;
        self.accept(&name, declared.map(drop).map_err(|error| explain(&format!("queue {name}"), &error))).await
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

    /// Waits for the turn, or renews it: nobody goes without, whatever time it takes.
    async fn take_turn(&mut self) -> Result<(), String> {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let turn = Arguments::default().number("x-expires", TURN_MAX.as_millis());
        loop {
            match self.channel.queue_declare(short(TURN)?, options, table(&turn)).await {
                Ok(_) => {
                    self.has_turn = true;
                    return Ok(());
                }
                Err(error) if is(&error, AMQPSoftError::RESOURCELOCKED) => {
                    self.channel = open(self.connection).await?;
                    tokio::time::sleep(TURN_INTERVAL).await;
                }
                Err(error) => return Err(format!("cannot declare queue {TURN}: {error}")),
            }
        }
    }

    /// What goes wrong with it ends with the turn's time, at the latest.
    async fn end_turn(self) {
        if let (true, Ok(turn)) = (self.has_turn, short(TURN)) {
            let _ = self.channel.queue_delete(turn, QueueDeleteOptions::default()).await;
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

    async fn bind(&mut self, binding: Binding) -> Result<(), String> {
        let Binding { from, to, key } = binding;
        let (exchange, key) = (short(&from)?, short(&key)?);
        let (what, bound) = match to {
            Target::Queue(name) => {
                let options = QueueBindOptions::default();
                let queue = short(&name)?;
                let bound = self.channel.queue_bind(queue, exchange, key, options, FieldTable::default()).await;
                (format!("queue {name}"), bound)
            }
            Target::Exchange(name) => {
                let options = ExchangeBindOptions::default();
                let to = short(&name)?;
                let bound = self.channel.exchange_bind(to, exchange, key, options, FieldTable::default()).await;
                (format!("exchange {name}"), bound)
            }
        };
        bound.map_err(|error| format!("cannot bind {what}: {error}"))
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

/// The arguments of a declaration as AMQP takes them.
fn table(arguments: &Arguments) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in &arguments.0 {
        let value = match *value {
            Argument::Text(text) => AMQPValue::LongString(LongString::from(text)),
            Argument::Number(number) => AMQPValue::LongLongInt(number),
            Argument::Flag(flag) => AMQPValue::Boolean(flag),
        };
        table.insert(ShortString::from(*name), value);
    }
    table
}
