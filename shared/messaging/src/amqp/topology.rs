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
use tokio::sync::{Mutex, MutexGuard};

use super::declared::{self, Argument, Arguments, Binding, Declared, DeclaredExchange, DeclaredQueue, Target};
use super::observe;

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
            self.take_turn().await.map_err(|reason| format!("cannot create queue {name} in turn: {reason}"))?;
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

    /// Waits for the turn, as long as whoever asks for the queue waits; or renews it.
    async fn take_turn(&mut self) -> Result<(), String> {
        if self.turn.is_none() {
            self.turn = Some(self.creating.lock().await);
        }
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let arguments = Arguments::default().number("x-expires", TURN_MAX.as_millis());
        let (mut pause, longest) = TURN_PAUSES;
        loop {
            match self.channel.queue_declare(short(TURN)?, options, table(&arguments)).await {
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
