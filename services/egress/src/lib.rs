//! Runs Tropo's way of sending a message, and releases each message at most once.
//!
//! ```text
//! message.send ──► lane: create a session with token and ticket ──► Tropo
//!                    │ waits                                          │ calls back, through ingress
//!                    ◄── pending ◄── callback: claim in the ledger, answer with the document
//! session.result ──► results: message.sent or message.failed
//! no result      ──► sweep: message.unconfirmed, and for a backend that resends: open to another session, message.send
//! ```
//!
//! Invariant: the message document leaves the process only after the release ledger granted the message to that one
//! session. So sessions may be created again freely, after any crash, and nobody is texted twice but for a backend that
//! is set to send again what stays unconfirmed.
//!
//! Invariant: that a message expired or was refused is told only after the ledger has it on record, and from then on no
//! session gets it, unless an operator replays the command.
//!
//! Invariant: to a person who opted out nothing leaves the process but the answer to their choice. The lane asks before it
//! launches, so that no session is created in vain; the claim decides, for a choice may come after the launch.
//!
//! Invariant: no lock, permit or connection is held across a call to Tropo that its call-back needs: Tropo may call
//! back before the create reply is read.

mod callback;
mod client;
mod config;
mod delay;
mod document;
mod end;
mod lane;
mod observe;
mod overdue;
mod pace;
mod patience;
mod pending;
mod record;
mod reports;
mod results;

use std::collections::BTreeMap;
use std::sync::Arc;

use messaging::Environment;
use protocol::BackendName;
use store::{Consents, Ledger};
use tropo::ticket::Keyring;

pub use client::{Client, ClientError, SessionApi};
pub use config::{Backend, Config, OnUnconfirmed, Retry};
pub use lane::{Lane, SendError};
pub use record::ReportError;
pub use reports::Reports;
pub use results::Results;

/// What the parts of egress share.
pub struct Egress {
    config: Config,
    backends: BTreeMap<BackendName, Backend>,
    session_api: Arc<dyn SessionApi>,
    ledger: Arc<dyn Ledger>,
    consents: Arc<dyn Consents>,
    keyring: Keyring,
    pending: pending::Pending,
    environment: Environment,
}

impl Egress {
    /// Egress for these backends.
    #[must_use]
    pub fn new(
        config: Config,
        backends: BTreeMap<BackendName, Backend>,
        session_api: Arc<dyn SessionApi>,
        ledger: Arc<dyn Ledger>,
        consents: Arc<dyn Consents>,
        keyring: Keyring,
        environment: Environment,
    ) -> Arc<Self> {
        backends.keys().for_each(observe::serves);
        let pending = pending::Pending::default();
        Arc::new(Self { config, backends, session_api, ledger, consents, keyring, pending, environment })
    }

    /// The handler of each backend's lane, and how many messages it takes at once.
    pub fn lanes(self: &Arc<Self>) -> impl Iterator<Item = (&BackendName, Lane, u16)> {
        self.backends.iter().map(|(name, backend)| {
            let prefetch = self.config.prefetch;
            let prefetch = backend.rate.map_or(prefetch, |rate| pace::Pace::prefetch(rate, prefetch));
            (name, Lane::new(Arc::clone(self), name.clone(), backend.clone()), prefetch)
        })
    }

    /// The handler of what sessions report.
    #[must_use]
    pub fn results(self: &Arc<Self>) -> Results {
        Results::new(Arc::clone(&self.ledger))
    }

    /// The handler of delivery reports.
    #[must_use]
    pub fn reports(self: &Arc<Self>) -> Reports {
        Reports::new(Arc::clone(&self.ledger))
    }

    /// The HTTP side: where ingress forwards call-backs to.
    pub fn callbacks(self: &Arc<Self>) -> axum::Router {
        callback::router(Arc::clone(self))
    }
}
