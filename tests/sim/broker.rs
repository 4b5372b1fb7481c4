//! A model of the broker: queues, connections, and what may go wrong with both.
//!
//! It keeps the promises of `messaging::Bus` and no more: what it confirmed it keeps, in every queue bound for it; what
//! is not settled comes again, marked; everything else may happen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging::headers::ROUTING_KEY;
use messaging::{BusState, Depth, Depths, Destination, Message, PublishError};
use protocol::topology::{self, QueueName, Topology};
use tokio::sync::{Notify, oneshot};

use crate::connection::{Connection, Moved, Returned};
use crate::world::{World, lock};

/// The broker.
pub(crate) struct Broker {
    pub(crate) world: Arc<World>,
    topology: Topology,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    queues: BTreeMap<QueueName, Queue>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    unsettled: BTreeMap<u64, Unsettled>,
    /// Messages that wait to be tried again, and messages on their way to a queue.
    waiting: usize,
    carried: usize,
    next: u64,
    pub(crate) is_down: bool,
    /// Every event that was kept, in order; every dead letter; what no queue is bound for.
    pub(crate) journal: Vec<Message>,
    pub(crate) dead: Vec<Message>,
    pub(crate) unrouted: Vec<Message>,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Stored>,
    /// The subscriptions, the oldest first.
    consumers: Vec<u64>,
    is_single_active: bool,
    changed: Arc<Notify>,
}

struct Stored {
    message: Message,
    handed_out: u32,
}

struct Unsettled {
    subscription: u64,
    connection: u64,
    queue: QueueName,
    stored: Stored,
}

/// A delivery, by the broker's own mark.
pub(crate) struct HandedOut {
    pub(crate) tag: u64,
    pub(crate) message: Message,
    pub(crate) redelivered: bool,
}

/// What there is for a subscription.
pub(crate) enum Next {
    One(Box<HandedOut>),
    Nothing,
    Ended,
}

impl Broker {
    pub(crate) fn new(world: Arc<World>, topology: Topology) -> Arc<Self> {
        let mut state = State::default();
        for queue in &topology.queues {
            let is_single_active = queue.single_active_consumer;
            state.queues.insert(queue.name.clone(), Queue { is_single_active, ..Queue::default() });
        }
        Arc::new(Self { world, topology, state: Mutex::new(state) })
    }

    /// A connection for a process that starts.
    pub(crate) fn connect(&self, name: &str) -> u64 {
        let mut state = lock(&self.state);
        let id = state.next();
        let ready = if state.is_down { BusState::Away("down".to_owned()) } else { BusState::Ready };
        state.connections.insert(id, Connection::new(name, ready));
        id
    }

    /// The process has ended.
    pub(crate) fn disconnect(&self, connection: u64) {
        self.lose(connection, "process ended");
        lock(&self.state).connections.remove(&connection);
    }

    /// The connection is lost: what it consumed comes again, what it published may not have arrived.
    pub(crate) fn lose(&self, connection: u64, why: &str) {
        let mut state = lock(&self.state);
        let Some(lost) = state.connections.get_mut(&connection) else { return };
        lost.epoch += 1;
        lost.set(&BusState::Away(why.to_owned()));
        let tags: Vec<u64> =
            state.unsettled.iter().filter(|(_, held)| held.connection == connection).map(|(tag, _)| *tag).collect();
        for tag in tags {
            state.give_back(tag, &self.world);
        }
        for queue in state.queues.values() {
            queue.changed.notify_waiters();
        }
    }

    /// The connection's epoch, if it can be published on.
    fn epoch(&self, connection: u64) -> Result<u64, PublishError> {
        let state = lock(&self.state);
        let gone = || PublishError::Unavailable("gone".to_owned());
        let connection = state.connections.get(&connection).ok_or_else(gone)?;
        match &connection.state {
            BusState::Ready => Ok(connection.epoch),
            other => Err(PublishError::Unavailable(format!("{other:?}"))),
        }
    }

    fn is_alive(&self, connection: u64, epoch: u64) -> bool {
        lock(&self.state).connections.get(&connection).is_some_and(|known| known.epoch == epoch)
    }

    /// Publishes for a process. What is on its way goes on by itself if the process dies.
    pub(crate) async fn publish(self: Arc<Self>, connection: u64, message: Message) -> Result<(), PublishError> {
        let epoch = self.epoch(connection)?;
        let (confirm, confirmed) = oneshot::channel();
        lock(&self.state).carried += 1;
        let broker = Arc::clone(&self);
        self.world.spawn(async move {
            broker.carry(connection, epoch, message, confirm).await;
            lock(&broker.state).carried -= 1;
        });
        confirmed.await.unwrap_or_else(|_| Err(PublishError::Unknown("the confirm is lost".to_owned())))
    }

    async fn carry(
        self: &Arc<Self>,
        connection: u64,
        epoch: u64,
        message: Message,
        confirm: oneshot::Sender<Result<(), PublishError>>,
    ) {
        let (world, faults) = (&self.world, &self.world.faults);
        world.travel().await;
        if !self.is_alive(connection, epoch) && world.dice.falls(0.5) {
            return;
        }
        if world.hit(faults.refused) {
            let _ = confirm.send(Err(PublishError::Refused));
            return;
        }
        let id = message.properties.message_id.clone().unwrap_or_default();
        let moved = match message.destination {
            Destination::Topic { .. } => None,
            Destination::Delayed { .. } => Some(Moved::Waiting),
            Destination::Dead => Some(Moved::Dead),
        };
        if world.hit(faults.kept_twice) {
            self.keep(message.clone());
        }
        self.keep(message);
        world.travel().await;
        if world.hit(faults.confirm_lost) {
            return;
        }
        let mut state = lock(&self.state);
        let Some(connection) = state.connections.get_mut(&connection).filter(|known| known.epoch == epoch) else {
            return;
        };
        connection.confirmed(id, moved);
        let _ = confirm.send(Ok(()));
    }

    /// Puts a message where it belongs.
    fn keep(self: &Arc<Self>, message: Message) {
        let mut state = lock(&self.state);
        let id = message.properties.message_id.as_deref().unwrap_or_default();
        let kind = message.properties.message_type.as_deref().unwrap_or_default();
        self.world.note(format_args!("kept {kind} {id} for {:?}", message.destination));
        match message.destination.clone() {
            Destination::Topic { routing_key } => {
                let queues: Vec<QueueName> =
                    self.topology.route(&routing_key).map(|queue| queue.name.clone()).collect();
                if queues.is_empty() {
                    state.unrouted.push(message.clone());
                }
                for queue in queues {
                    if queue == QueueName::journal() {
                        state.journal.push(message.clone());
                    } else {
                        state.enqueue(&queue, message.clone());
                    }
                }
            }
            Destination::Delayed { queue, delay } => self.make_wait(&mut state, queue, delay, message),
            Destination::Dead => state.dead.push(message),
        }
    }

    fn make_wait(self: &Arc<Self>, state: &mut State, queue: QueueName, delay: Duration, mut message: Message) {
        state.waiting += 1;
        // It comes back with the routing key that it was first published with.
        let routing_key = message.properties.headers.get(ROUTING_KEY).cloned().unwrap_or_default();
        message.destination = Destination::Topic { routing_key };
        let (broker, level) = (Arc::clone(self), topology::retry_level(delay));
        self.world.spawn(async move {
            tokio::time::sleep(level).await;
            let mut state = lock(&broker.state);
            state.waiting -= 1;
            state.enqueue(&queue, message);
        });
    }

    /// Hands out the next message to a subscription, if it may have one.
    pub(crate) fn hand_out(
        &self,
        (connection, epoch): (u64, u64),
        subscription: u64,
        queue: &QueueName,
        prefetch: u16,
    ) -> Next {
        let mut state = lock(&self.state);
        if state.connections.get(&connection).is_none_or(|known| known.epoch != epoch) {
            return Next::Ended;
        }
        let held = state.unsettled.values().filter(|held| held.subscription == subscription).count();
        let State { queues, unsettled, next, .. } = &mut *state;
        let Some(known) = queues.get_mut(queue) else { return Next::Ended };
        let is_active = !known.is_single_active || known.consumers.first() == Some(&subscription);
        if !is_active || usize::from(prefetch.max(1)) <= held {
            return Next::Nothing;
        }
        let Some(mut stored) = known.ready.pop_front() else { return Next::Nothing };
        let redelivered = 0 < stored.handed_out;
        stored.handed_out += 1;
        *next += 1;
        let (tag, message) = (*next, stored.message.clone());
        unsettled.insert(tag, Unsettled { subscription, connection, queue: queue.clone(), stored });
        let id = message.properties.message_id.as_deref().unwrap_or_default();
        let again = if redelivered { " again" } else { "" };
        self.world.note(format_args!("hands out {id} of {queue} to #{connection}{again}"));
        Next::One(Box::new(HandedOut { tag, message, redelivered }))
    }

    /// A subscription to a queue; none while the broker is away.
    pub(crate) fn subscribe(&self, connection: u64, queue: &QueueName) -> Option<Subscribed> {
        let epoch = self.epoch(connection).ok()?;
        let mut state = lock(&self.state);
        let id = state.next();
        let known = state.queues.get_mut(queue)?;
        known.consumers.push(id);
        Some(Subscribed { id, epoch, changed: Arc::clone(&known.changed) })
    }

    /// The subscription has ended: what it holds comes again.
    pub(crate) fn unsubscribe(&self, subscription: u64, queue: &QueueName) {
        let mut state = lock(&self.state);
        let of = |held: &Unsettled| held.subscription == subscription;
        let tags: Vec<u64> = state.unsettled.iter().filter(|(_, held)| of(held)).map(|(tag, _)| *tag).collect();
        for tag in tags {
            state.give_back(tag, &self.world);
        }
        if let Some(queue) = state.queues.get_mut(queue) {
            queue.consumers.retain(|known| *known != subscription);
            queue.changed.notify_waiters();
        }
    }

    /// A process acknowledges a delivery, after everything that it caused is confirmed.
    pub(crate) fn acknowledge(self: &Arc<Self>, tag: u64) {
        let mut state = lock(&self.state);
        let Some(held) = state.unsettled.get(&tag) else { return };
        let (connection, id) = (held.connection, held.stored.id().to_owned());
        self.world.note(format_args!("#{connection} acknowledges {id}"));
        if let Some(wrong) = state.connections.get_mut(&connection).and_then(|known| known.acknowledge(&id)) {
            self.world.violation(format!("{id} was acknowledged {wrong}"));
        }
        if !self.world.hit(self.world.faults.slow_ack) {
            state.settle(tag);
            return;
        }
        let broker = Arc::clone(self);
        self.world.spawn(async move {
            broker.world.travel().await;
            lock(&broker.state).settle(tag);
        });
    }

    /// A process gives a delivery back.
    pub(crate) fn requeue(&self, tag: u64) {
        let mut state = lock(&self.state);
        if let Some(held) = state.unsettled.get(&tag) {
            self.world.note(format_args!("#{} gives {} back", held.connection, held.stored.id()));
        }
        state.give_back(tag, &self.world);
    }

    /// What a handler of this process returned about an event.
    pub(crate) fn returned(&self, connection: u64, event: String, returned: Returned) {
        if let Some(known) = lock(&self.state).connections.get_mut(&connection) {
            known.returned(event, returned);
        }
    }

    /// How many messages of those queues that are there are ready.
    pub(crate) fn depths(&self, queues: &[QueueName]) -> Depths {
        let state = lock(&self.state);
        let depth = |name: &QueueName| {
            let ready = u64::try_from(state.queues.get(name)?.ready.len()).unwrap();
            Some((name.clone(), Depth { ready, ..Depth::default() }))
        };
        queues.iter().filter_map(depth).collect()
    }

    /// Whether nothing is on a work queue, on its way to one, or unsettled.
    pub(crate) fn is_quiet(&self) -> bool {
        let state = lock(&self.state);
        let ready: usize = state.queues.values().map(|queue| queue.ready.len()).sum();
        ready + state.unsettled.len() + state.waiting + state.carried == 0
    }
}

/// A fresh subscription.
pub(crate) struct Subscribed {
    pub(crate) id: u64,
    pub(crate) epoch: u64,
    pub(crate) changed: Arc<Notify>,
}

impl State {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn enqueue(&mut self, queue: &QueueName, message: Message) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.ready.push_back(Stored { message, handed_out: 0 });
            queue.changed.notify_waiters();
        }
    }

    fn settle(&mut self, tag: u64) {
        let settled = self.unsettled.remove(&tag);
        // There is room for another.
        if let Some(queue) = settled.and_then(|settled| self.queues.get_mut(&settled.queue)) {
            queue.changed.notify_waiters();
        }
    }

    /// Puts an unsettled delivery back, anywhere in its queue.
    fn give_back(&mut self, tag: u64, world: &World) {
        let Some(Unsettled { queue, stored, .. }) = self.unsettled.remove(&tag) else { return };
        if topology::DELIVERY_LIMIT <= stored.handed_out {
            self.dead.push(stored.message);
            return;
        }
        let Some(queue) = self.queues.get_mut(&queue) else { return };
        let places = u64::try_from(queue.ready.len()).unwrap() + 1;
        queue.ready.insert(usize::try_from(world.dice.below(places)).unwrap(), stored);
        queue.changed.notify_waiters();
    }
}

impl Stored {
    fn id(&self) -> &str {
        self.message.properties.message_id.as_deref().unwrap_or_default()
    }
}
