//! Turns Tropo's webhooks into events on the bus.
//!
//! Invariant: a webhook is answered 2xx only after its event is on the bus, confirmed, or synced in the spool, which
//! passes it on when the bus is back. What cannot be kept is refused, quickly: Tropo's log then shows it, and nobody
//! believes that it was taken.
//!
//! Any number of replicas may stand side by side; each has a spool of its own.

mod backends;
mod caller;
mod config;
mod forward;
mod observe;
mod seen;
mod webhook;

use std::sync::Arc;

use messaging::{Environment, Publisher};
use tropo::ticket::Keyring;

pub use backends::{Backend, Backends};
pub use config::{Config, Spool};
pub use forward::{Answer, CallBack, CallBacks, ForwardError, Forwarder, ForwarderError};

/// What the routes of ingress share.
#[derive(Debug)]
pub struct Ingress {
    config: Config,
    backends: Backends,
    publisher: Publisher,
    keyring: Keyring,
    call_backs: Arc<dyn CallBacks>,
    seen: seen::Seen,
    environment: Environment,
}

impl Ingress {
    /// Ingress for these backends.
    #[must_use]
    pub fn new(
        config: Config,
        backends: Backends,
        publisher: Publisher,
        keyring: Keyring,
        call_backs: Arc<dyn CallBacks>,
        environment: Environment,
    ) -> Arc<Self> {
        observe::serves();
        let seen = seen::Seen::default();
        Arc::new(Self { config, backends, publisher, keyring, call_backs, seen, environment })
    }

    /// The routes that Tropo calls.
    pub fn routes(self: Arc<Self>) -> axum::Router {
        webhook::router(self)
    }
}
