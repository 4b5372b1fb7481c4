//! A stand-in for Tropo itself, with virtual phones.
//!
//! Applications register a messaging URL, a token and numbers. A phone's text begins a session, which is posted to
//! the application; a request with the token begins another, which calls back. What the application answers is done:
//! texts reach the phones, results are posted, and the Application Debugger tells all of it in Tropo's own wording.
//!
//! Invariant: no lock is held across a webhook, and no session waits for another. An application may call at any time,
//! also while a webhook to it is open.

mod api;
mod application;
mod applications;
mod changes;
mod config;
mod cookies;
mod debugger;
mod departures;
mod dial;
mod exchanges;
mod knobs;
mod observe;
mod phones;
mod reports;
mod session;
mod sessions;
mod sms;
mod state;
mod subscriptions;
mod texting;
mod webhook;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::shutdown::Shutdown;
use chassis::tasks::Crowd;
use protocol::{Address, Network, SessionId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tropo::signal::SignalStatus;
use uuid::Uuid;

pub use application::{Application, ApplicationError};
pub use config::{ApplicationConfig, Config, Credentials, EmptyToken, ImUser, Partition, Token};
pub use debugger::Line;
pub use knobs::{
    BadToken, Charset, CreateReply, KnobError, Knobs, Latency, LatencyError, LongTexts, PerSecond, Share, Status,
};
pub use phones::{Direction, PhoneMessage, PhoneSummary};
pub use session::opening::OpeningError;
pub use sessions::{Cause, Posted, SessionView, State};
pub use sms::Encoding;
pub use state::{StateError, check_state};
pub use texting::{Texted, TextedError, Texting};

use self::applications::{Applications, Draft};
use self::changes::Changes;
use self::debugger::Debugger;
use self::departures::Departures;
use self::knobs::Control;
use self::phones::Phones;
use self::reports::Reports;
use self::session::inbox::Inboxes;
use self::sessions::Sessions;
use self::state::{Taken, Turn};
use self::subscriptions::Subscriptions;
use self::webhook::Poster;

/// The stand-in: applications, phones, sessions and the debugger, all in memory; some of it outlives the process where
/// there is a file for it.
pub struct Simulator {
    applications: Applications,
    phones: Phones,
    departures: Departures,
    subscriptions: Subscriptions,
    reports: Reports,
    sessions: Sessions,
    inboxes: Inboxes,
    /// The longest life of a session.
    session_max: Duration,
    debugger: Debugger,
    /// Rung when an application has answered a webhook.
    answered: Notify,
    control: Control,
    poster: Poster,
    counters: Counters,
    /// Who may change applications over Tropo's REST API, if not anybody.
    provisioning: Option<Credentials>,
    /// Where it is, as far as it knows.
    listen: SocketAddr,
    /// What its listener grants a request.
    request_timeout: Duration,
    /// Tells this process from earlier ones, in the ids of what it streams.
    run: String,
    /// The names that browsers may use for it.
    hosts: Vec<String>,
    /// The file of what outlives the process, and what changed in it.
    state: Option<PathBuf>,
    _taken: Option<Taken>,
    changes: Changes,
    /// The sessions under way; none once it has stopped.
    crowd: Mutex<Option<Crowd>>,
    /// Ends what sessions wait for.
    stopping: CancellationToken,
    shutdown: Shutdown,
}

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// Applications that cannot stand side by side.
    #[error("simulator.applications.{name}")]
    Application {
        /// The name of the one that cannot be added.
        name: String,
        /// Why.
        #[source]
        source: ApplicationError,
    },
    /// What an earlier process left cannot be had, or nothing can be left.
    #[error("simulator.state: {}", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StateError,
    },
    /// The client that posts webhooks could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// What is counted over all sessions.
#[derive(Debug, Default)]
struct Counters {
    sessions: AtomicU64,
    engines: AtomicUsize,
    engines_active: AtomicUsize,
}

impl Simulator {
    /// Whether the applications of a configuration can stand side by side.
    ///
    /// # Errors
    /// [`SimulatorError::Application`]: two have a number or a token in common, say.
    pub fn check(config: &Config) -> Result<(), SimulatorError> {
        Applications::check(&config.applications)
    }

    /// A simulator with the configured applications, and with what an earlier one left in the file of its state; where
    /// both have an application of one name, a number or a token, the configuration's is there. It has no listener of its
    /// own: serve [`Simulator::routes`]. `shutdown` ends what waits for messages; sessions end with [`Simulator::stop`].
    ///
    /// # Errors
    /// [`SimulatorError`].
    ///
    /// # Panics
    /// Without a TLS provider: call [`chassis::tls::install_provider`] first.
    pub fn new(config: Config, shutdown: Shutdown) -> Result<Arc<Self>, SimulatorError> {
        let at_fault = |source| SimulatorError::State { path: config.state.clone().unwrap_or_default(), source };
        let taken = config.state.as_deref().map(state::take).transpose().map_err(at_fault)?;
        let mut saved = config.state.as_deref().map(state::read).transpose().map_err(at_fault)?.flatten();
        let changes = Changes::default();
        let webhooks = saved.as_mut().map(|saved| std::mem::take(&mut saved.webhooks)).unwrap_or_default();
        let simulator = Self {
            applications: Applications::new(changes.clone()),
            phones: Phones::new(config.phone_messages, changes.clone()),
            departures: Departures::default(),
            subscriptions: Subscriptions::new(webhooks, changes.clone()),
            reports: Reports::default(),
            sessions: Sessions::new(config.sessions_max, config.sessions_kept),
            inboxes: Inboxes::default(),
            session_max: config.session_max,
            debugger: Debugger::new(config.debugger_lines),
            answered: Notify::new(),
            control: Control::new(config.knobs),
            poster: Poster::new(config.webhook_timeout).map_err(SimulatorError::Client)?,
            counters: Counters::default(),
            provisioning: config.provisioning,
            listen: config.listen,
            request_timeout: config.limits.request_timeout,
            run: format!("{:08x}", Uuid::new_v4().as_fields().0),
            hosts: config.hosts,
            state: config.state.clone(),
            _taken: taken,
            changes,
            crowd: Mutex::new(Some(Crowd::default())),
            stopping: CancellationToken::new(),
            shutdown,
        };
        simulator.populate(config.applications, saved)?;
        if let Some(path) = &config.state {
            // What cannot be written shall be found out now.
            simulator.save_now(path, Turn::Passing).map_err(at_fault)?;
        }
        Ok(Arc::new(simulator))
    }

    /// Everything it serves: Tropo's session API, and its own for phones, applications, debugger and knobs.
    pub fn routes(self: Arc<Self>) -> axum::Router {
        api::router(self)
    }

    /// Adds an application; its numbers can be texted and its token launches at once.
    ///
    /// # Errors
    /// [`ApplicationError`]; then nothing was added.
    pub fn add_application(
        &self,
        name: String,
        settings: ApplicationConfig,
    ) -> Result<Arc<Application>, ApplicationError> {
        let application = self.applications.add(name, settings)?;
        observe::added(&application);
        Ok(application)
    }

    /// Changes an application, and gives it with what `change` gives. Sessions under way keep what they began with.
    fn change_application<T, E: From<ApplicationError>>(
        &self,
        id: usize,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, E>,
    ) -> Result<(Arc<Application>, T), E> {
        let (application, given) = self.applications.change(id, change)?;
        observe::changed(&application);
        Ok((application, given))
    }

    /// The messages of a phone after an index: at once if there are any, else as soon as one comes, else none when
    /// the wait is over or the simulator stops.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken from the phone.
    pub async fn messages(&self, number: &Address, after: u64, wait: Duration) -> Vec<PhoneMessage> {
        let limit = api::ITEMS_MAX;
        let messages = tokio::select! {
            biased;
            messages = self.phones.next_messages(number, after, limit) => messages,
            () = tokio::time::sleep(wait) => Vec::new(),
            () = self.shutdown.requested() => Vec::new(),
        };
        messages.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// Has `ear` called with each message as a phone receives it, by the task of the session that sent it: it must not
    /// block. The first ear stays the only one.
    pub fn hear(&self, ear: impl Fn(&PhoneMessage) + Send + Sync + 'static) {
        self.phones.hear(Box::new(ear));
    }

    /// How many sessions are under way.
    pub fn active(&self) -> usize {
        self.counters.engines_active.load(Ordering::Relaxed)
    }

    /// The debugger's lines after a number, of one session or of all, at most `limit`.
    pub fn lines(&self, session: Option<&SessionId>, after: u64, limit: usize) -> Vec<Arc<Line>> {
        self.debugger.lines(session, after, limit)
    }

    /// A session, while it is remembered.
    pub fn session(&self, id: &SessionId) -> Option<SessionView> {
        self.sessions.get(id)
    }

    /// Interrupts a session: what it does ends, if it allows that, and the handler of that name hears of it.
    pub fn signal(&self, id: &SessionId, signal: &str) -> SignalStatus {
        self.inboxes.signal(id, signal)
    }

    /// The phone of a session hangs up; whether there was such a session.
    pub fn hang_up(&self, id: &SessionId) -> bool {
        self.inboxes.hang_up(id)
    }

    /// A phone hangs up on a number, on one network or on any; the sessions that end of it.
    pub fn hang_up_on(&self, from: &Address, to: &Address, network: Option<&Network>) -> Vec<SessionId> {
        self.inboxes.hang_up_on(to, from, network)
    }

    /// The knobs, counts as far as they have counted down.
    pub fn knobs(&self) -> Knobs {
        self.control.knobs()
    }

    /// Sets all knobs; chance begins anew at the seed.
    pub fn set_knobs(&self, knobs: Knobs) {
        self.control.set(knobs);
    }

    /// Begins no more sessions, ends those that wait for somebody, waits for the others until the deadline, drops the
    /// rest, and says how many those were.
    pub async fn stop(&self, deadline: Duration) -> usize {
        self.stopping.cancel();
        let crowd = self.crowd.lock().unwrap_or_else(PoisonError::into_inner).take();
        match crowd {
            Some(crowd) => crowd.drain(deadline).await,
            None => 0,
        }
    }

    /// Starts a task; not when the simulator has stopped.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.spawn_after(|| {}, task)
    }

    /// The same, and does something just before, if it starts the task.
    fn spawn_after(&self, before: impl FnOnce(), task: impl Future<Output = ()> + Send + 'static) -> bool {
        match &*self.crowd.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(crowd) => {
                before();
                crowd.spawn(task);
                true
            }
            None => false,
        }
    }
}

/// Shows how much there is of each, and nobody.
impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("phones", &self.phones)
            .field("departures", &self.departures)
            .field("sessions", &self.sessions)
            .field("debugger", &self.debugger)
            .finish_non_exhaustive()
    }
}

impl Counters {
    /// The number of the next session.
    fn session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An engine's number, and how many are in use with it.
    fn acquire_engine(&self) -> (usize, usize) {
        let engine = self.engines.fetch_add(1, Ordering::Relaxed) + 1;
        (engine, self.engines_active.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How many are in use without it.
    fn return_engine(&self) -> usize {
        self.engines_active.fetch_sub(1, Ordering::Relaxed).saturating_sub(1)
    }
}
