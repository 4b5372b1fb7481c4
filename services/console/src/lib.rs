//! What became of each text and message, for people and programs: pages and an HTTP API on one listener.
//!
//! ```text
//! pages ─┐                ┌─ store::Journal (what the journal kept), store::Desk (sessions, requests, acts)
//! api  ──┴─► Console ─────┼─ messaging::Bus (send, texts of the tester, dead letters)
//!            (guard first)├─ the simulator's API (phones, Tropo's log), if there is one
//!                         └─ House (the process around it: readiness, balance, configuration)
//! ```
//!
//! Invariant: nothing is answered but through the guard: who asks, what they may do, and whether they may see numbers and
//! words.

mod acts;
mod api;
mod config;
mod conversation;
mod explain;
mod export;
mod feed;
mod forgetting;
mod guard;
mod house;
mod letters;
mod log;
mod masked;
mod observe;
mod pages;
mod probe;
mod problem;
mod sending;
mod shown;
mod simulated;
mod status;
mod whole;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use messaging::{Bus, Environment, Publisher};
use protocol::BackendName;
use store::Opened;
use tokio_util::sync::CancellationToken;

pub use acts::{Acts, ShownAct};
pub use config::{Config, ConfigError, ProbeConfig, Token, User};
pub use explain::{
    Advice, Answer, Cause, Evidence, Explanation, Outcome, Question, Reply, Source, TropoLog, TropoSession,
};
pub use guard::{HashError, Scope, hash};
pub use house::{Application, Backend, Finding, House};
pub use log::{Found, Listed};
pub use probe::{Flow, FlowState, ProbeOutcome, Probed, Stuck};
pub use sending::{Taken, TextWanted, Texted, Wanted, Way};
pub use shown::{Direction, Message, ShownEvent};
pub use simulated::{Phone, PhoneMessage};
pub use status::{
    Amiss, BackendState, Failure, Kept, OptOuts, OptedOut, Part, Process, Queues, Replies, Status, Waiting,
};

use feed::Feed;
use guard::Guard;
use letters::Letters;
use pages::Glance;
use probe::Prober;
use problem::Problem;
use simulated::Simulated;

/// What messages from the console name as their sender.
pub const APP_ID: &str = "console";

/// Where the database is put once it is there: pages that need it say that it is away until then.
pub type Database = Arc<OnceLock<Opened>>;

/// The console.
pub struct Console {
    config: Config,
    backends: BTreeMap<BackendName, Backend>,
    bus: Arc<dyn Bus>,
    publisher: Publisher,
    database: Database,
    house: Arc<dyn House>,
    environment: Environment,
    guard: Guard,
    simulated: Option<Simulated>,
    prober: Option<Prober>,
    feed: Feed,
    letters: Letters,
    overview: Glance,
    /// Asks the processes that are watched.
    client: reqwest::Client,
}

impl Console {
    /// A console that shows what is kept in `database`, and does what it does over `bus`.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be, and how to mend it.
    ///
    /// # Panics
    /// Without a TLS provider: call [`chassis::tls::install_provider`] first.
    pub fn new(
        config: Config,
        backends: BTreeMap<BackendName, Backend>,
        bus: Arc<dyn Bus>,
        database: Database,
        house: Arc<dyn House>,
        environment: Environment,
    ) -> Result<Arc<Self>, ConfigError> {
        config.check()?;
        let guard = Guard::new(&config, &*environment.chance);
        let simulated = config.simulator.clone().map(Simulated::new).transpose()?;
        let prober = simulated.as_ref().and_then(|_| Prober::new(config.probe, &backends, environment.clone()));
        let publisher = Publisher::new(Arc::clone(&bus), APP_ID);
        let (feed, letters) = (Feed::default(), Letters::default());
        let client = status::client()?;
        Ok(Arc::new(Self {
            config,
            backends,
            bus,
            publisher,
            database,
            house,
            environment,
            guard,
            simulated,
            prober,
            feed,
            letters,
            overview: Glance::default(),
            client,
        }))
    }

    /// Everything that is served.
    pub fn routes(self: Arc<Self>) -> Router {
        let admit = axum::middleware::from_fn_with_state(Arc::clone(&self), guard::admit);
        let told = axum::middleware::from_fn_with_state(Arc::clone(&self), pages::told_to_people);
        let routes = pages::routes().merge(api::routes()).merge(guard::routes()).fallback(pages::nowhere);
        routes.layer(admit).layer(told).with_state(self)
    }

    /// Follows the journal for those who watch, and forgets what is old, until shutdown is requested; then ends work on
    /// dead letters.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let forgetting = shutdown.run_until_cancelled(forgetting::forget_all(&self));
        let stopping = async {
            shutdown.cancelled().await;
            self.letters.stop.cancel();
        };
        tokio::join!(feed::follow(&self, &shutdown), forgetting, stopping);
    }

    /// What is kept.
    ///
    /// # Errors
    /// The database is not there yet: 503.
    fn database(&self) -> Result<&Opened, Problem> {
        self.database.get().ok_or_else(Problem::no_database)
    }
}
