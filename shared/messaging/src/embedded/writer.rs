//! The thread: takes what waits, writes it in one transaction, then confirms and delivers.

mod transaction;

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use protocol::Timestamp;
use protocol::topology::{QueueName, Topology};
use rusqlite::ErrorCode;
use tokio::sync::watch;

use crate::embedded::operation::{Count, Operation, Publication, Request, Seq, SubscriptionId};
use crate::embedded::queue::{Buried, Need, Queue, READY_MAX};
use crate::embedded::routes::Routes;
use crate::embedded::store::{QueueId, Store};
use crate::embedded::{always, observe};
use crate::{BusState, Depth, PublishError, SubscribeError};

/// At most so many operations share a transaction.
const GROUP_MAX: usize = 256;

/// How often bounded queues are looked through for messages that are too old.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How often the disk is tried again after it failed.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// All state of the bus. In memory is what the file says, but for `settled` and `buried`: what was decided about
/// messages and is written with the next transaction that succeeds.
pub(super) struct Writer {
    store: Store,
    operations: Receiver<Operation>,
    routes: Routes,
    names: HashMap<QueueName, QueueId>,
    queues: HashMap<QueueId, Queue>,
    /// Where undeliverable messages go.
    unrouted: QueueId,
    /// Where dead messages go: the dead letters, and those that get a copy.
    dead: Vec<QueueId>,
    /// The last message that was in the file when it was opened.
    redelivered_to: Seq,
    subscriptions: HashMap<SubscriptionId, QueueId>,
    settled: Vec<Seq>,
    buried: Vec<Buried>,
    /// The queues that may have something to deliver.
    stirred: BTreeSet<QueueId>,
    due_next_ms: Option<i64>,
    sweep_next: Instant,
    /// When the disk, which failed, is tried again.
    trouble: Option<Instant>,
}

impl Writer {
    pub(super) fn new(store: Store, topology: Topology, operations: Receiver<Operation>) -> rusqlite::Result<Self> {
        let declared: Vec<_> = topology.queues.iter().map(|queue| queue.name.clone()).chain(always()).collect();
        let names = store.declare(declared.iter())?;
        let counts: HashMap<_, _> = store.counts()?.into_iter().collect();
        let counted = |(name, id): (&QueueName, &QueueId)| {
            (*id, Queue::new(name.clone(), counts.get(id).copied().unwrap_or_default()))
        };
        let mut queues: HashMap<_, _> = names.iter().map(counted).collect();
        let id = |name: &QueueName| names.get(name).copied().ok_or(rusqlite::Error::QueryReturnedNoRows);
        let mut bindings = Vec::new();
        let mut dead = vec![id(&QueueName::dead())?];
        for queue in topology.queues {
            let id = id(&queue.name)?;
            if queue.dead_letters {
                dead.push(id);
            }
            if let Some(plain) = queues.remove(&id) {
                queues.insert(id, plain.with(queue.single_active_consumer, queue.bound));
            }
            bindings.extend(queue.bindings.into_iter().map(|pattern| (pattern, id)));
        }
        Ok(Self {
            operations,
            routes: Routes::new(bindings),
            unrouted: id(&QueueName::unrouted())?,
            dead,
            redelivered_to: store.seq_last(),
            due_next_ms: store.due_next()?,
            store,
            names,
            queues,
            subscriptions: HashMap::new(),
            settled: Vec::new(),
            buried: Vec::new(),
            stirred: BTreeSet::new(),
            sweep_next: Instant::now(),
            trouble: None,
        })
    }

    /// How many messages are in the queues.
    pub(super) fn messages(&self) -> u64 {
        self.queues.values().map(Queue::len).sum()
    }

    /// Works until it is asked to close, or nobody is left to ask.
    pub(super) fn run(mut self, state: &watch::Sender<BusState>) {
        // What grew too old meanwhile goes first.
        self.write(Vec::new(), state);
        loop {
            let (publications, closing) = self.take();
            self.try_again(state);
            self.write(publications, state);
            self.dispatch(state);
            self.store.committed();
            if closing {
                break;
            }
        }
        if let Err(error) = self.store.checkpoint() {
            observe::not_checkpointed(self.store.holding.name, &error);
        }
        while let Ok(operation) = self.operations.try_recv() {
            if let Operation::Publish(Publication { confirm, .. }) = operation {
                let _ = confirm.send(Err(PublishError::Unavailable("the bus is closed".to_owned())));
            }
        }
        observe::closed(self.store.holding.name);
    }

    /// Waits until there is something to do, and takes all that waits. Whatever concerns memory alone is done at
    /// once; the rest is returned, and whether to close.
    fn take(&mut self) -> (Vec<Publication>, bool) {
        let mut publications = Vec::new();
        let mut next = match self.operations.recv_timeout(self.idle()) {
            Ok(operation) => Some(operation),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return (publications, true),
        };
        let mut taken = 0;
        while let Some(operation) = next {
            match operation {
                Operation::Publish(publication) => publications.push(publication),
                Operation::Subscribe(request) => self.subscribe(request),
                Operation::Cancel(subscription) => self.on_queue(subscription, |queue| queue.cancel(subscription)),
                Operation::Unsubscribe(subscription) => self.unsubscribe(subscription),
                Operation::Ack(subscription, seq) => self.ack(subscription, seq),
                Operation::Requeue(subscription, seq) => self.requeue(subscription, seq),
                Operation::Count(count) => self.count(count),
                Operation::Close => return (publications, true),
            }
            taken += 1;
            next = if taken < GROUP_MAX { self.operations.try_recv().ok() } else { None };
        }
        (publications, false)
    }

    /// How long there is nothing to do by itself.
    fn idle(&self) -> Duration {
        let now = Instant::now();
        if let Some(again) = self.trouble {
            return again.saturating_duration_since(now);
        }
        let sweep = self.sweep_next.saturating_duration_since(now);
        let due = self.due_next_ms.map(|due| u64::try_from(due.saturating_sub(now_ms())).unwrap_or(0));
        due.map_or(sweep, |due| sweep.min(Duration::from_millis(due)))
    }

    fn subscribe(&mut self, request: Request) {
        let Request { id, queue: name, prefetch, deliveries, answer } = request;
        let Some((queue_id, queue)) =
            self.names.get(&name).and_then(|queue_id| Some((*queue_id, self.queues.get_mut(queue_id)?)))
        else {
            let _ = answer.send(Err(SubscribeError { queue: name, reason: "there is no such queue".to_owned() }));
            return;
        };
        queue.subscribe(id, prefetch, deliveries);
        self.subscriptions.insert(id, queue_id);
        self.stirred.insert(queue_id);
        // Who no longer waits for the answer unsubscribes.
        let _ = answer.send(Ok(()));
    }

    fn unsubscribe(&mut self, subscription: SubscriptionId) {
        let buried = self.on_queue(subscription, |queue| queue.unsubscribe(subscription));
        self.buried.extend(buried);
        self.subscriptions.remove(&subscription);
    }

    fn ack(&mut self, subscription: SubscriptionId, seq: Seq) {
        if self.on_queue(subscription, |queue| queue.ack(subscription, seq)) {
            self.settled.push(seq);
        }
    }

    fn requeue(&mut self, subscription: SubscriptionId, seq: Seq) {
        let buried = self.on_queue(subscription, |queue| queue.requeue(subscription, seq));
        self.buried.extend(buried);
    }

    /// Changes the queue of a subscription; where that has ended, nothing.
    fn on_queue<T: Default>(&mut self, subscription: SubscriptionId, change: impl FnOnce(&mut Queue) -> T) -> T {
        let queue = self.subscriptions.get(&subscription).copied().and_then(|id| self.stir(id));
        queue.map(change).unwrap_or_default()
    }

    /// Counts what is in those of the queues asked for that are there.
    fn count(&self, Count { queues, answer }: Count) {
        let counted = self.store.delayed().map(|delayed| {
            let delayed: HashMap<_, _> = delayed.into_iter().collect();
            let depth = |name: QueueName| {
                let id = self.names.get(&name)?;
                let queue = self.queues.get(id)?;
                let (in_hand, delayed) = (queue.in_hand() as u64, delayed.get(id).copied().unwrap_or_default());
                let (in_hand, delayed, consumers) = (Some(in_hand), Some(delayed), queue.consumers());
                Some((name, Depth { ready: queue.len(), in_hand, delayed, consumers }))
            };
            queues.into_iter().filter_map(depth).collect()
        });
        // Nobody listens any more if the caller was cancelled.
        let _ = answer.send(counted.map_err(|error| error.to_string()));
    }

    /// The queue, in which something changes now.
    fn stir(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.stirred.insert(id);
        self.queues.get_mut(&id)
    }

    /// Writes, and only then tells.
    fn write(&mut self, publications: Vec<Publication>, state: &watch::Sender<BusState>) {
        let now_ms = now_ms();
        if !self.has_work(&publications, now_ms) {
            return;
        }
        match self.transact(&publications, now_ms) {
            Ok(changes) => {
                self.settled.clear();
                for buried in self.buried.drain(..) {
                    let id = buried.message.properties.message_id.as_deref();
                    observe::buried(&buried.queue, id.unwrap_or("without id"));
                }
                self.apply(changes);
                if !publications.is_empty() {
                    self.recovered(state);
                }
                for publication in publications {
                    let _ = publication.confirm.send(Ok(()));
                }
            }
            Err(error) => {
                self.troubled(error.source(), state);
                for publication in publications {
                    let _ = publication.confirm.send(Err(error.verdict()));
                }
            }
        }
    }

    fn has_work(&self, publications: &[Publication], now_ms: i64) -> bool {
        !publications.is_empty()
            || !self.settled.is_empty()
            || !self.buried.is_empty()
            || self.due_next_ms.is_some_and(|due| due <= now_ms)
            || self.sweep_next <= Instant::now()
    }

    /// Delivers from every queue where something changed.
    fn dispatch(&mut self, state: &watch::Sender<BusState>) {
        for id in mem::take(&mut self.stirred) {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            if self.settled.is_empty() {
                queue.let_go();
            } else {
                // Its turn comes once what is settled has gone from the file.
                self.stirred.insert(id);
            }
            while queue.dispatch() == Need::Page {
                match self.store.page(id, queue.loaded_to(), READY_MAX) {
                    Ok(page) => queue.load(page, self.redelivered_to),
                    Err(error) => {
                        self.stirred.insert(id);
                        self.troubled(&error, state);
                        break;
                    }
                }
            }
        }
    }

    /// Finds out by itself whether the disk is well again: who sees that the bus takes nothing does not publish.
    fn try_again(&mut self, state: &watch::Sender<BusState>) {
        if self.trouble.is_none_or(|again| Instant::now() < again) {
            return;
        }
        match self.store.probe() {
            Ok(()) => self.recovered(state),
            Err(error) => self.troubled(error.source(), state),
        }
    }

    fn recovered(&mut self, state: &watch::Sender<BusState>) {
        if self.trouble.take().is_some() {
            state.send_replace(BusState::Ready);
            observe::recovered(self.store.holding.name);
        }
    }

    fn troubled(&mut self, error: &rusqlite::Error, state: &watch::Sender<BusState>) {
        self.trouble = Some(Instant::now() + TRY_AGAIN_AFTER);
        let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        let reason = error.to_string();
        let now = if is_full { BusState::Blocked(reason) } else { BusState::Away(reason) };
        let told = state.send_if_modified(|before| mem::replace(before, now.clone()) != now);
        if told {
            observe::troubled(self.store.holding.name, &error.to_string());
        }
    }
}

/// The wall clock, in milliseconds since 1970.
fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
