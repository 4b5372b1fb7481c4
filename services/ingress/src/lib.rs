//! Turns Tropo's webhooks into events on the bus.
//!
//! Invariant: a webhook is answered 2xx only after the bus has confirmed its event. What cannot be kept is refused,
//! quickly: Tropo's log then shows it, and nobody believes that it was taken.
//!
//! Ingress holds no state that matters: any number of replicas may stand side by side.

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

pub use backends::{Backend, Backends, Network, NetworkError};
pub use config::Config;
pub use forward::{Forwarder, ForwarderError};

/// What the routes of ingress share.
#[derive(Debug)]
pub struct Ingress {
    config: Config,
    backends: Backends,
    publisher: Publisher,
    keyring: Keyring,
    forwarder: Forwarder,
    seen: seen::Seen,
    environment: Environment,
}

impl Ingress {
    /// Ingress for these backends.
    ///
    /// # Errors
    /// [`ForwarderError`] when the HTTP client to egress cannot be made.
    pub fn new(
        config: Config,
        backends: Backends,
        publisher: Publisher,
        keyring: Keyring,
        environment: Environment,
    ) -> Result<Arc<Self>, ForwarderError> {
        let forwarder = Forwarder::new(&config)?;
        let seen = seen::Seen::default();
        Ok(Arc::new(Self { config, backends, publisher, keyring, forwarder, seen, environment }))
    }

    /// The routes that Tropo calls.
    pub fn routes(self: Arc<Self>) -> axum::Router {
        webhook::router(self)
    }
}
