//! The work behind the spool: writes what comes in, and passes it on, in order, as soon as the bus takes it.

mod queue;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::spool::{Shared, observe};
use crate::{
    BoxFuture, Bus, BusState, Delivery, Destination, Environment, Message, PublishError, SubscribeError, Subscription,
    spool,
};
use queue::{Entry, Queue};

/// How many messages may be on their way to the bus at a time. A bus that failed gets one, and one more with each that
/// it confirms: one that is frozen is not heaped upon, and one that breaks under many gets on with few.
pub(super) const WINDOW: u16 = 256;

/// The wait before a bus that confirmed nothing is tried again; doubles up to the longest.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_LONGEST: Duration = Duration::from_secs(2);

/// How often the bus may fail at the first message, and nothing else on its way, before that is set aside. One that was
/// set aside before, or whose like were, gets one try.
const TRIES_MAX: u32 = 5;

/// How many messages may be set aside at most. They are in memory; beyond, the first holds up the others.
const ASIDE_MAX: u16 = 1024;

/// How long they stay aside before they are tried again.
const ASIDE_FOR: Duration = Duration::from_secs(60);

/// How long what is on its way may take once a stop was requested. Whatever is not confirmed by then stays, and is
/// published again after the next start.
const FINISH_MAX: Duration = Duration::from_secs(2);

/// A message to be written, and where to say that it was.
pub(super) struct Request {
    pub(super) message: Message,
    pub(super) answer: oneshot::Sender<Result<(), PublishError>>,
}

/// Owns the journal.
pub(super) struct Driver {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) journal: Arc<dyn Bus>,
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
    pub(super) shared: Arc<Shared>,
    pub(super) environment: Environment,
}

impl Driver {
    /// Works until shutdown is requested, or the journal's thread has ended. What is not passed on by then stays in the
    /// journal for the next start.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let Self { bus, journal, requests, shared, environment } = self;
        let stop = shutdown.child_token();
        let drain = async {
            match Drain::begin(&*bus, &*journal, &shared, &environment).await {
                Ok(drain) => drain.run(&stop).await,
                Err(error) => observe::not_drained(&error),
            }
            // Without a drain nothing may be taken.
            stop.cancel();
        };
        tokio::join!(write(requests, &*journal, &shared, &stop), drain);
        journal.close().await;
        let account = shared.account().clone();
        observe::closed(account.messages() + account.aside());
    }
}

/// Writes what comes in, in the order in which it comes. Ends once `stop` is cancelled and all that came is answered.
///
/// It does so here, and not where it is asked for: who asked may go away, and the account must be right all the same.
async fn write(
    mut requests: mpsc::UnboundedReceiver<Request>,
    journal: &dyn Bus,
    shared: &Shared,
    stop: &CancellationToken,
) {
    let mut writing = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !writing.is_empty() {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !requests.is_closed() => requests.close(),
            Some(()) = writing.next() => {}
            request = requests.recv(), if is_open => match request {
                Some(request) => writing.push(write_one(request, journal, shared)),
                None => is_open = false,
            },
        }
    }
}

async fn write_one(Request { message, answer }: Request, journal: &dyn Bus, shared: &Shared) {
    let body = message.body.len();
    let written = journal.publish(message).await;
    match &written {
        Ok(()) => {
            shared.account().written();
            observe::spooled();
        }
        Err(_) => {
            observe::not_written();
            shared.failed(body);
        }
    }
    // Whoever asked may have gone meanwhile.
    let _ = answer.send(written);
}

/// Passes on what the journal holds.
struct Drain<'a> {
    bus: &'a dyn Bus,
    shared: &'a Shared,
    environment: &'a Environment,
    subscription: Box<dyn Subscription>,
    /// The first messages of the journal. They stay here until the bus has confirmed them.
    queue: Queue,
    /// The first of its row, on their way to the bus.
    publishing: FuturesOrdered<BoxFuture<'a, Result<(), PublishError>>>,
    /// How many those may be, up to [`WINDOW`].
    publishing_max: usize,
    /// Runs while the bus, which confirmed nothing, is left alone.
    pause: Option<BoxFuture<'static, ()>>,
    pause_next: Duration,
    /// How often the bus failed at the first message in a row, with nothing else on its way.
    failures: u32,
    /// Runs while messages are set aside.
    aside: Option<BoxFuture<'static, ()>>,
}

impl<'a> Drain<'a> {
    async fn begin(
        bus: &'a dyn Bus,
        journal: &dyn Bus,
        shared: &'a Shared,
        environment: &'a Environment,
    ) -> Result<Self, SubscribeError> {
        let subscription = journal.subscribe(&spool::queue(), WINDOW + ASIDE_MAX).await?;
        Ok(Self {
            bus,
            shared,
            environment,
            subscription,
            queue: Queue::default(),
            publishing: FuturesOrdered::new(),
            publishing_max: 1,
            pause: None,
            pause_next: AGAIN_FIRST,
            failures: 0,
            aside: None,
        })
    }

    async fn run(mut self, stop: &CancellationToken) {
        let mut state = self.bus.state();
        loop {
            let is_ready = *state.borrow_and_update() == BusState::Ready;
            if is_ready && self.pause.is_none() {
                self.publish();
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = over(&mut self.aside) => self.take_back(),
                Some(result) = self.publishing.next() => self.published(result).await,
                delivery = self.subscription.next(), if self.queue.row_len() < usize::from(WINDOW) => match delivery {
                    Some(delivery) => self.take(delivery),
                    None => return observe::journal_ended(),
                },
                () = over(&mut self.pause) => self.pause = None,
                // An error says that the bus is gone for good; then what is here stays.
                Ok(()) = state.changed() => {}
            }
        }
        let limit = self.environment.clock.sleep(FINISH_MAX);
        let finish = async {
            while let Some(result) = self.publishing.next().await {
                self.published(result).await;
            }
        };
        tokio::select! {
            biased;
            () = finish => {}
            () = limit => {}
        }
    }

    fn take(&mut self, delivery: Delivery) {
        self.queue.push(delivery);
        self.shared.account().begins_with(self.queue.oldest());
    }

    /// Publishes what is in the row and not on its way.
    fn publish(&mut self) {
        for delivery in self.queue.row().take(self.publishing_max).skip(self.publishing.len()) {
            let destination = Destination::Topic { routing_key: delivery.routing_key.clone() };
            let (properties, body) = (delivery.properties.clone(), delivery.body.clone());
            self.publishing.push_back(self.bus.publish(Message { destination, properties, body }));
        }
    }

    /// The first of what was on its way is confirmed, or not; if not, all begins again with it.
    async fn published(&mut self, result: Result<(), PublishError>) {
        match result {
            Ok(()) => {
                self.pause_next = AGAIN_FIRST;
                self.failures = 0;
                self.publishing_max = usize::from(WINDOW).min(self.publishing_max + 1);
                let Some(Entry { delivery: Delivery { body, settler, .. }, .. }) = self.queue.confirmed() else {
                    return;
                };
                settler.ack().await;
                observe::passed_on();
                self.shared.passed(body.len(), self.queue.oldest());
                self.shared.account().switch_over(self.publishing_max, Instant::now());
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &PublishError) {
        let was_alone = self.publishing_max == 1;
        self.publishing = FuturesOrdered::new();
        self.publishing_max = 1;
        self.shared.switch_failed();
        // What was not even sent says nothing of the message.
        if was_alone && !matches!(error, PublishError::Unavailable(_)) {
            self.failures += 1;
            let tries_max = if self.queue.is_suspect() { 1 } else { TRIES_MAX };
            if tries_max <= self.failures && self.queue.aside_len() < usize::from(ASIDE_MAX) {
                return self.set_aside(error);
            }
        }
        observe::not_passed_on(error, self.pause_next);
        self.pause = Some(self.environment.clock.sleep(self.pause_next));
        self.pause_next = (self.pause_next * 2).min(AGAIN_LONGEST);
    }

    /// The bus takes others, it seems, and not the first: it stays in the journal, and the others go on.
    ///
    /// It is not moved within the journal, so that nothing can happen to it: a start begins with it again.
    fn set_aside(&mut self, error: &PublishError) {
        let id = self.queue.row().next().and_then(|first| first.properties.message_id.clone());
        let room = usize::from(ASIDE_MAX) - self.queue.aside_len();
        let messages = self.queue.set_aside(room);
        observe::set_aside(id.as_deref().unwrap_or("without id"), messages, ASIDE_FOR, error);
        self.shared.set_aside(messages, self.queue.oldest());
        self.failures = 0;
        // As after any failure, but that it is not the next one's.
        self.pause_next = AGAIN_FIRST;
        self.pause = Some(self.environment.clock.sleep(self.pause_next));
        if self.aside.is_none() {
            self.aside = Some(self.environment.clock.sleep(ASIDE_FOR));
        }
    }

    /// What was set aside comes next, one after the other.
    fn take_back(&mut self) {
        self.aside = None;
        self.queue.take_back(self.publishing.len());
        self.publishing_max = 1;
        self.shared.account().take_back();
    }
}

/// Returns once the pause is over; never where there is none.
async fn over(pause: &mut Option<BoxFuture<'static, ()>>) {
    match pause {
        Some(pause) => pause.await,
        None => std::future::pending().await,
    }
}
