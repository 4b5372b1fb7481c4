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

mod api;
mod config;
mod explain;
mod feed;
mod guard;
mod house;
mod observe;
mod pages;
mod problem;
mod shown;
mod simulated;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use messaging::{Bus, Environment, Publisher};
use protocol::BackendName;
use store::Opened;
use tokio_util::sync::CancellationToken;

pub use config::{Config, ConfigError};
pub use explain::{
    Advice, Answer, Cause, Evidence, Explanation, Outcome, Question, Reply, Source, TropoLog, TropoSession,
};
pub use house::{Application, Backend, Finding, House};
pub use shown::Message;

use feed::Feed;
use guard::Guard;
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
    feed: Feed,
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
        let guard = Guard::new(&config)?;
        let simulated = config.simulator.clone().map(Simulated::new).transpose()?;
        let publisher = Publisher::new(Arc::clone(&bus), APP_ID);
        let feed = Feed::default();
        Ok(Arc::new(Self { config, backends, bus, publisher, database, house, environment, guard, simulated, feed }))
    }

    /// Everything that is served.
    pub fn routes(self: Arc<Self>) -> Router {
        pages::routes().merge(api::routes()).with_state(self)
    }

    /// Follows the journal for those who watch, and forgets what is old, until shutdown is requested.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let following = feed::follow(&self);
        shutdown.run_until_cancelled(following).await;
    }

    /// What is kept.
    ///
    /// # Errors
    /// The database is not there yet: 503.
    fn database(&self) -> Result<&Opened, Problem> {
        self.database.get().ok_or_else(Problem::no_database)
    }
}
