//! Keeps the account, and shows it over the admin listener, for `tropomq balance` where one process has the bus to
//! itself.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use journal::Retention;
use messaging::{Bus, Consumer, ConsumerState, Environment, Publisher, RetryPolicy};
use protocol::BackendName;
use protocol::topology::QueueName;
use serde::Deserialize;
use serde_json::json;
use store::Accounts;
use url::Url;

use super::Running;
use crate::balance::{self, Counter, Patience};

/// The path of the account.
pub(crate) const PATH: &str = "account";

/// The record of texts and messages, once its database is there.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<OnceLock<Arc<dyn Accounts>>>);

impl Shared {
    pub(super) fn set(&self, accounts: Arc<dyn Accounts>) {
        // Set once, by the one who opens it.
        let _ = self.0.set(accounts);
    }
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// How long ago something has been touched at least, to be old.
    pub(crate) settle_ms: u64,
}

impl Asked {
    /// The address to ask at.
    pub(crate) fn on(&self, mut url: Url) -> Url {
        url.set_query(Some(&format!("settle_ms={}", self.settle_ms)));
        url
    }
}

impl Running {
    /// Starts what keeps every event, the account, and why texts were answered as they were.
    pub(super) fn journal(&self, bus: &Arc<dyn Bus>, opened: &store::Opened) {
        let journal::Config { prefetch, retention, bytes_max } = self.settings.journal;
        let (events, dead, keeper) = journal::witnesses(opened, self.environment.clone());
        self.work("keep account", keeper.run());
        self.witness(bus, QueueName::journal(), prefetch, events);
        self.witness(bus, QueueName::journal_dead(), prefetch, dead);
        let parts = || (self.environment.clone(), self.tasks.shutdown().token().clone());
        let (environment, token) = parts();
        self.work("tell the account", journal::tell(opened.clone(), environment, token));
        let (environment, token) = parts();
        let replayable = retention.max(self.settings.egress.retention);
        let retention = Retention { usual: retention, replayable, bytes_max: bytes_max as u64 };
        self.work("forget the old", journal::forget(opened.clone(), retention, environment, token));
    }

    /// Shows a queue to a witness until shutdown is requested.
    fn witness<W: messaging::Witness>(&self, bus: &Arc<dyn Bus>, queue: QueueName, prefetch: u16, by: W) {
        let publisher = Publisher::new(Arc::clone(bus), "journal");
        let name = format!("witness {queue}");
        // A witness does not fail, so nothing is tried again.
        let retry = RetryPolicy { first: Duration::from_secs(1), longest: Duration::from_secs(1), attempts_max: None };
        let consumer = Consumer { queue, prefetch, retry, ordered: false, share: None, drain: self.settings.bus.drain };
        let (environment, token) = (self.environment.clone(), self.tasks.shutdown().token().clone());
        let component = self.health.component(name.clone());
        let tell = move |state| match state {
            ConsumerState::Subscribed => component.ready(),
            ConsumerState::Waiting(reason) => component.not_ready(reason),
        };
        self.work(name, messaging::witness(publisher, consumer, by, environment, token, tell));
    }
}

struct Shown {
    counter: Counter,
    accounts: Shared,
    backends: Vec<BackendName>,
    result_timeout: Duration,
    environment: Environment,
}

/// `GET /account`: it holds ids and counts, nobody's number and no text.
pub(super) fn router(running: &Running, bus: Arc<dyn Bus>, accounts: Shared) -> Router {
    let backends = running.settings.backends.keys().cloned().collect();
    let (result_timeout, environment) = (running.settings.egress.result_timeout, running.environment.clone());
    let shown = Shown { counter: Counter::of(bus), accounts, backends, result_timeout, environment };
    Router::new().route(&format!("/{PATH}"), get(show)).with_state(Arc::new(shown))
}

async fn show(State(shown): State<Arc<Shown>>, Query(asked): Query<Asked>) -> Response {
    let refused = |words: String| (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": words }))).into_response();
    let Some(accounts) = shown.accounts.0.get() else { return refused("the database is not there yet".to_owned()) };
    let Shown { counter, backends, environment, .. } = &*shown;
    let patience = Patience { settle: Duration::from_millis(asked.settle_ms), result: shown.result_timeout };
    match balance::take(&**accounts, backends, patience, environment, counter).await {
        Ok(look) => Json(look).into_response(),
        Err(error) => refused(format!("{error:#}")),
    }
}
