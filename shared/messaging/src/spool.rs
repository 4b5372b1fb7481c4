//! Keeps messages while the bus is away.
//!
//! ```text
//! publish ──► the bus                                      as long as it confirms, and the spool is empty
//!        └──► spool.db, synced ──► drain ──► the bus       else; in the order in which they came
//! ```
//!
//! [`Spool`] stands before a bus, and is a bus itself. What it answers `Ok` to is on the bus or, synced, in a file of
//! its own (`embedded`: one queue, group commit), out of which it is published, in order, with its own ids and headers,
//! as soon as the bus takes it. A message may come to the bus twice, and never not at all.
//!
//! Order: a message that is published after another was answered never overtakes it. While anything is in the spool,
//! everything goes behind it. When only as much is left as is on its way to the bus, new messages are held until that
//! is confirmed (for some milliseconds; never longer than the bus's time to confirm), and go to the bus directly from
//! then on: so the spool gets empty under any load that the bus can take. Only where the bus refuses single messages of
//! many, what came after those may be first.

mod account;
mod drain;
mod error;
mod observe;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::topology::QueueName;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    BoxFuture, Bus, BusState, DepthError, Depths, Destination, Environment, Message, PublishError, SubscribeError,
    Subscription, amqp, embedded,
};
use account::{Account, Entered, Moment, Refusal, Way};
use drain::{Driver, Request};
pub use error::OpenError;
use protocol::Timestamp;

/// How a spool is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its directory, of one process alone.
    pub path: PathBuf,
    /// When it is full, in bytes: bodies, and 512 bytes a message. The last message may go beyond.
    pub bytes_max: u64,
    /// How long its oldest message may have waited; then no more are taken. What it holds stays.
    pub age_max: Duration,
    /// How long the bus may take to confirm a message, before that goes to the spool.
    pub wait: Duration,
}

/// What a spool says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// How many messages are in it and wait for the bus, or for those before them.
    pub messages: u64,
    /// How many are set aside, because the bus does not take them. They hold up no others, and are tried again.
    pub aside: u64,
    /// How long the oldest has waited; those set aside apart.
    pub age: Option<Duration>,
    /// Why the spool takes no more, where it does not.
    pub refusal: Option<String>,
    /// Whether the next message is kept: by the spool, or by the bus.
    pub is_ready: bool,
}

/// A bus with a spool before it.
///
/// Publishes to topics; anything else goes to the bus itself.
pub struct Spool {
    bus: Arc<dyn Bus>,
    state: watch::Receiver<BusState>,
    journal_state: watch::Receiver<BusState>,
    requests: mpsc::UnboundedSender<Request>,
    shared: Arc<Shared>,
    wait: Duration,
    environment: Environment,
}

/// A spool, and the work that keeps it going.
pub struct Opened {
    /// The spool.
    pub spool: Arc<Spool>,
    /// To be run as a task. It ends once shutdown is requested and what was in hand is answered, and then has closed the
    /// file; before that only if the file can no longer be used.
    pub driver: BoxFuture<'static, ()>,
}

/// Opens the spool before `bus`. Its driver passes on what it holds until `shutdown` is requested, which is to be done
/// once nobody publishes any more, and before the bus is closed.
///
/// # Errors
/// [`OpenError`]. No waiting would mend it, except where another process has it open.
pub fn open(
    settings: &Settings,
    bus: Arc<dyn Bus>,
    environment: Environment,
    shutdown: CancellationToken,
) -> Result<Opened, OpenError> {
    let opened = embedded::open_spool(&settings.path, &queue());
    let (journal, held) = opened.map_err(|error| OpenError::of(&settings.path, error))?;
    Ok(with_journal(settings, bus, journal, held, environment, shutdown))
}

/// How many messages a spool in this directory holds; none where there is no spool. It must not be open.
///
/// # Errors
/// As [`open`].
pub fn left_in(directory: &Path) -> Result<u64, OpenError> {
    let totals = embedded::spool_totals(directory, &queue()).map_err(|error| OpenError::of(directory, error))?;
    Ok(totals.messages)
}

fn with_journal(
    settings: &Settings,
    bus: Arc<dyn Bus>,
    journal: Arc<dyn Bus>,
    held: embedded::Totals,
    environment: Environment,
    shutdown: CancellationToken,
) -> Opened {
    let account = Account::new(settings.bytes_max, settings.age_max, held);
    let shared =
        Arc::new(Shared { account: Mutex::new(account), switched: Notify::new(), environment: environment.clone() });
    observe::opened(held.messages, &Arc::downgrade(&shared));
    let (requests, requested) = mpsc::unbounded_channel();
    let spool = Spool {
        state: bus.state(),
        journal_state: journal.state(),
        requests,
        shared: Arc::clone(&shared),
        wait: settings.wait,
        environment: environment.clone(),
        bus: Arc::clone(&bus),
    };
    let driver = Driver { bus, journal, requests: requested, shared, environment };
    Opened { spool: Arc::new(spool), driver: Box::pin(driver.run(shutdown)) }
}

/// The one queue of the spool.
fn queue() -> QueueName {
    QueueName::from("spool")
}

/// What those who publish and the driver both know.
struct Shared {
    /// Nothing is logged or counted while it is locked: whoever reads the metrics holds their lock, and waits for this.
    account: Mutex<Account>,
    /// A switch-over has ended, well or not.
    switched: Notify,
    environment: Environment,
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bus confirmed a message with a body of this length; where `oldest` is the first now.
    fn passed(&self, body: usize, oldest: Option<Timestamp>) {
        let mut account = self.account();
        let (is_empty, aside) = (account.passed(body, oldest, Instant::now()), account.aside());
        drop(account);
        if is_empty {
            self.ended(aside);
        }
    }

    /// The bus does not take so many messages; where `oldest` is the first of the others.
    fn set_aside(&self, messages: u64, oldest: Option<Timestamp>) {
        let mut account = self.account();
        let (is_empty, aside) = (account.set_aside(messages, oldest), account.aside());
        drop(account);
        if is_empty {
            self.ended(aside);
        }
    }

    fn ended(&self, aside: u64) {
        observe::ended(aside);
        self.switched.notify_waiters();
    }

    /// The bus does not confirm what it is given: who was held goes to the spool.
    fn switch_failed(&self) {
        if self.account().switch_failed(Instant::now()) {
            self.switched.notify_waiters();
        }
    }

    /// A message with a body of this length could not be written.
    fn failed(&self, body: usize) {
        if self.account().leave(body) {
            self.switched.notify_waiters();
        }
    }

    fn age(&self) -> Option<Duration> {
        self.account().age(self.environment.now())
    }
}

impl Spool {
    /// What it holds at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let moment = self.moment();
        let account = self.shared.account().clone();
        let refusal = match &*self.journal_state.borrow() {
            BusState::Ready => account.refusal(moment).map(|refusal| refusal.to_string()),
            BusState::Away(reason) | BusState::Blocked(reason) => Some(unwritable(reason)),
            BusState::Closed => Some("the spool is closed".to_owned()),
        };
        let is_ready = refusal.is_none() || account.way(moment.bus_is_ready) == Way::Direct;
        let (messages, aside) = (account.messages(), account.aside());
        Status { messages, aside, age: account.age(moment.now), refusal, is_ready }
    }

    fn moment(&self) -> Moment {
        let bus_is_ready = *self.state.borrow() == BusState::Ready;
        Moment { now: self.environment.now(), instant: Instant::now(), bus_is_ready }
    }

    /// Keeps a message: on the bus, or else in the spool.
    async fn keep(&self, message: Message) -> Result<(), PublishError> {
        match self.way() {
            (Way::Direct, _) => self.publish_or_spool(message).await,
            (Way::Spool, _) => self.spool(message).await,
            (Way::Held, switched) => {
                tokio::select! {
                    biased;
                    () = switched => {}
                    () = self.environment.clock.sleep(self.wait) => {}
                }
                match self.way() {
                    (Way::Direct, _) => self.publish_or_spool(message).await,
                    // Held once is enough: it ends the switch-over.
                    (Way::Held | Way::Spool, _) => self.spool(message).await,
                }
            }
        }
    }

    /// Which way a message goes now, and when to look again where it is held.
    fn way(&self) -> (Way, impl Future<Output = ()> + '_) {
        let account = self.shared.account();
        let is_ready = *self.state.borrow() == BusState::Ready;
        // It is told from here on, also before it is waited for.
        (account.way(is_ready), self.shared.switched.notified())
    }

    async fn publish_or_spool(&self, message: Message) -> Result<(), PublishError> {
        let published = tokio::select! {
            biased;
            published = self.bus.publish(message.clone()) => published,
            () = self.environment.clock.sleep(self.wait) => {
                Err(PublishError::Unknown(format!("no confirm came within {:?}", self.wait)))
            }
        };
        let Err(error) = published else {
            self.shared.account().went_direct();
            return Ok(());
        };
        let spooled = self.spool_because(message, &error.to_string()).await;
        match (error, spooled) {
            (_, Ok(())) => Ok(()),
            // The bus may have it, whatever the spool says.
            (error @ PublishError::Unknown(_), Err(_)) => Err(error),
            (PublishError::Unavailable(_) | PublishError::Refused | PublishError::NoRoom(_), Err(refused)) => {
                Err(refused)
            }
        }
    }

    async fn spool(&self, message: Message) -> Result<(), PublishError> {
        let state = self.state.borrow().clone();
        let why = match state {
            BusState::Ready => "the bus has not confirmed what came before".to_owned(),
            BusState::Away(reason) | BusState::Blocked(reason) => reason,
            BusState::Closed => "the bus is closed".to_owned(),
        };
        self.spool_because(message, &why).await
    }

    /// Writes a message to the spool, and returns once it is synced.
    async fn spool_because(&self, message: Message, why: &str) -> Result<(), PublishError> {
        if !amqp::can_carry(&message) {
            // Nothing would ever come after it.
            return Err(PublishError::Refused);
        }
        self.enter(message, why)?
            .await
            .unwrap_or_else(|_| Err(PublishError::Unknown("the spool was closed".to_owned())))
            .map_err(|error| match error {
                PublishError::Unavailable(reason) => PublishError::NoRoom(unwritable(&reason)),
                other @ (PublishError::Refused | PublishError::Unknown(_) | PublishError::NoRoom(_)) => other,
            })
    }

    /// Hands a message to the driver, to be written.
    fn enter(&self, message: Message, why: &str) -> Result<oneshot::Receiver<Result<(), PublishError>>, PublishError> {
        let (answer, answered) = oneshot::channel();
        let entered = self.enter_locked(Request { message, answer }).map_err(|error| match error {
            EnterError::Refused(refusal) => {
                observe::refused(&refusal);
                PublishError::NoRoom(refusal.to_string())
            }
            EnterError::Closed => PublishError::Unavailable("the spool is closed".to_owned()),
        })?;
        if entered.ended_switch {
            self.shared.switched.notify_waiters();
        }
        // Nothing goes to a spool that cannot be written, and each try would begin again.
        if entered.is_first && *self.journal_state.borrow() == BusState::Ready {
            observe::began(why);
        }
        Ok(answered)
    }

    /// Counts and sends under one lock: what entered first is written first.
    fn enter_locked(&self, request: Request) -> Result<Entered, EnterError> {
        let (body, moment) = (request.message.body.len(), self.moment());
        let mut account = self.shared.account();
        let entered = account.enter(&request.message, moment).map_err(EnterError::Refused)?;
        if self.requests.send(request).is_err() {
            account.leave(body);
            return Err(EnterError::Closed);
        }
        Ok(entered)
    }
}

/// Why a message did not enter.
enum EnterError {
    Refused(Refusal),
    Closed,
}

fn unwritable(reason: &str) -> String {
    format!("the spool cannot be written: {reason}")
}

impl Bus for Spool {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        match message.destination {
            Destination::Topic { .. } => Box::pin(self.keep(message)),
            Destination::Delayed { .. } | Destination::Dead => self.bus.publish(message),
        }
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        self.bus.subscribe(queue, prefetch)
    }

    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        self.bus.depths(queues)
    }

    /// That of the bus behind it.
    fn state(&self) -> watch::Receiver<BusState> {
        self.state.clone()
    }

    fn system(&self) -> &'static str {
        self.bus.system()
    }

    /// Closes the bus behind it. The spool is closed by its driver.
    fn close(&self) -> BoxFuture<'_, ()> {
        self.bus.close()
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("status", &self.status()).field("bus", &self.bus).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
