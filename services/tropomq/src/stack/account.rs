//! Shows the account over the admin listener, for `tropomq balance` where one process has the bus to itself.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use messaging::{Bus, Environment};
use protocol::BackendName;
use serde::Deserialize;
use serde_json::json;
use store::Accounts;
use url::Url;

use super::Running;
use crate::balance::{self, Counter};

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

struct Shown {
    counter: Counter,
    accounts: Shared,
    backends: Vec<BackendName>,
    environment: Environment,
}

/// `GET /account`: it holds ids and counts, nobody's number and no text.
pub(super) fn router(running: &Running, bus: Arc<dyn Bus>, accounts: Shared) -> Router {
    let backends = running.settings.backends.keys().cloned().collect();
    let shown = Shown { counter: Counter::of(bus), accounts, backends, environment: running.environment.clone() };
    Router::new().route(&format!("/{PATH}"), get(show)).with_state(Arc::new(shown))
}

async fn show(State(shown): State<Arc<Shown>>, Query(asked): Query<Asked>) -> Response {
    let refused = |words: String| (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": words }))).into_response();
    let Some(accounts) = shown.accounts.0.get() else { return refused("the database is not there yet".to_owned()) };
    let settle = Duration::from_millis(asked.settle_ms);
    match balance::take(&**accounts, &shown.backends, settle, &shown.environment, &shown.counter).await {
        Ok(look) => Json(look).into_response(),
        Err(error) => refused(format!("{error:#}")),
    }
}
