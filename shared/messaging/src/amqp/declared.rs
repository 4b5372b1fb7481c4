//! What RabbitMQ shall have, as data: what is declared on a connection, and what can be imported before.
//!
//! Every queue is a durable quorum queue, and says every limit: RabbitMQ 4 has defaults where RabbitMQ 3 has none.

use std::collections::BTreeMap;

use protocol::topology::{
    DEAD, DELIVERY_LIMIT, EXCHANGE, Queue, QueueName, RETRY_LEVELS, RETURN, Topology, UNROUTED, WORK, retry_name,
};
use serde::Serialize;

/// As good as no limit: what may not be thrown away is handed out as often as it takes. RabbitMQ 4 would set 20, and
/// RabbitMQ 3 knows no word for "none".
const UNLIMITED: u32 = i32::MAX.unsigned_abs();

/// One thing that is declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Declared {
    /// A durable exchange.
    Exchange(DeclaredExchange),
    /// A durable queue.
    Queue(DeclaredQueue),
    /// A binding.
    Binding(Binding),
}

/// A durable exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredExchange {
    /// Its name.
    pub name: String,
    /// To which of its bindings it hands a message.
    pub kind: ExchangeKind,
    /// What it is declared with.
    pub arguments: Arguments,
}

/// To which of its bindings an exchange hands a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// Those whose key matches.
    Topic,
    /// Those whose key is the same.
    Direct,
    /// All of them.
    Fanout,
}

/// A durable queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredQueue {
    /// Its name.
    pub name: String,
    /// What it is declared with.
    pub arguments: Arguments,
}

/// Has something get what comes to an exchange with such a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The exchange.
    pub from: String,
    /// What gets it.
    pub to: Target,
    /// The key.
    pub key: String,
}

/// What is bound to an exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A queue of this name.
    Queue(String),
    /// An exchange of this name.
    Exchange(String),
}

/// The arguments of a declaration, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Arguments(pub BTreeMap<&'static str, Argument>);

/// The value of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Argument {
    /// A word or a name.
    Text(&'static str),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl Arguments {
    fn quorum() -> Self {
        Self::default().text("x-queue-type", "quorum")
    }

    /// What dies in the queue stays there until the queue that it goes to has confirmed it. That needs a queue that
    /// refuses, and does not drop, beyond its length; it has no bound, so it never comes to that.
    fn never_lost(self) -> Self {
        self.text("x-dead-letter-strategy", "at-least-once").text("x-overflow", "reject-publish")
    }

    fn text(self, name: &'static str, value: &'static str) -> Self {
        self.with(name, Argument::Text(value))
    }

    pub(super) fn number(self, name: &'static str, value: impl TryInto<i64>) -> Self {
        // Nothing here comes near the largest number.
        self.with(name, Argument::Number(value.try_into().unwrap_or(i64::MAX)))
    }

    fn with(mut self, name: &'static str, value: Argument) -> Self {
        self.0.insert(name, value);
        self
    }
}

/// Everything, in the order in which it is declared.
#[must_use]
pub fn all(topology: &Topology) -> Vec<Declared> {
    // What others refer to comes first: a message that is published meanwhile must find its way.
    let mut declared: Vec<Declared> = [UNROUTED, DEAD].into_iter().flat_map(kept).collect();
    declared.extend(shared());
    declared.extend(topology.queues.iter().flat_map(bound));
    // These come last. RabbitMQ 3 holds the registration of the newest quorum queue in memory for some seconds, and a
    // broker killed within them forgets what is in that queue, confirmed or not: so let it be an empty one.
    declared.extend(RETRY_LEVELS.into_iter().flat_map(|level| {
        let name = retry_name(level);
        // The routing key is the name of the queue that it goes back to.
        let arguments = Arguments::quorum()
            .number("x-message-ttl", level.as_millis())
            .text("x-dead-letter-exchange", RETURN)
            .never_lost();
        behind_its_own(&name, arguments)
    }));
    declared
}

/// What makes one queue whole again, as far as it is ours: the queue with its bindings, and what it is bound to.
#[must_use]
pub fn one(topology: &Topology, name: &QueueName) -> Vec<Declared> {
    if let Some(queue) = topology.queues.iter().find(|queue| queue.name == *name) {
        return shared().chain(bound(queue)).collect();
    }
    match name.as_str() {
        ours @ (UNROUTED | DEAD) => kept(ours).into(),
        _ => Vec::new(),
    }
}

/// The exchanges that all queues share.
fn shared() -> impl Iterator<Item = Declared> {
    [EXCHANGE, WORK, RETURN].into_iter().map(exchange)
}

/// The queue of what must not be lost and nobody works on, behind an exchange of the same name.
fn kept(name: &str) -> [Declared; 3] {
    behind_its_own(name, Arguments::quorum().number("x-delivery-limit", UNLIMITED))
}

/// A queue behind an exchange of the same name.
fn behind_its_own(name: &str, arguments: Arguments) -> [Declared; 3] {
    let queue = DeclaredQueue { name: name.to_owned(), arguments };
    [exchange(name), Declared::Queue(queue), binding(name, name, "")]
}

fn bound(queue: &Queue) -> Vec<Declared> {
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
        arguments = arguments.with("x-single-active-consumer", Argument::Flag(true));
    }
    let name = queue.name.as_str();
    let mut declared = vec![Declared::Queue(DeclaredQueue { name: name.to_owned(), arguments })];
    for pattern in &queue.bindings {
        let key = pattern.as_str();
        if queue.bound.is_some() {
            declared.push(binding(name, EXCHANGE, key));
        } else {
            declared.push(binding(name, WORK, key));
            // What comes for the queue has to come to the exchange of work.
            let to = Target::Exchange(WORK.to_owned());
            declared.push(Declared::Binding(Binding { from: EXCHANGE.to_owned(), to, key: key.to_owned() }));
        }
    }
    if queue.dead_letters {
        declared.extend([exchange(DEAD), binding(name, DEAD, "")]);
    }
    declared.push(binding(name, RETURN, name));
    declared
}

/// Ours by name: the topic exchanges, the one by which what waited returns, or a fanout exchange before one queue.
fn exchange(name: &str) -> Declared {
    let unrouted = || Arguments::default().text("alternate-exchange", UNROUTED);
    let (kind, arguments) = match name {
        EXCHANGE | WORK => (ExchangeKind::Topic, unrouted()),
        RETURN => (ExchangeKind::Direct, unrouted()),
        UNROUTED => (ExchangeKind::Fanout, Arguments::default()),
        // A queue that was deleted must not lose what is published for it.
        _ => (ExchangeKind::Fanout, unrouted()),
    };
    Declared::Exchange(DeclaredExchange { name: name.to_owned(), kind, arguments })
}

fn binding(queue: &str, from: &str, key: &str) -> Declared {
    Declared::Binding(Binding { from: from.to_owned(), to: Target::Queue(queue.to_owned()), key: key.to_owned() })
}
