//! Opens the release ledger with the account beside it, and lets the readiness of the process follow it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::Component;
use chassis::tasks::OnEnd;
use secrecy::ExposeSecret;
use store::{Ledger, LedgerError, OpenError};
use tracing::{info, warn};

use super::Running;

/// How often the ledger is asked whether it is there.
const INTERVAL: Duration = Duration::from_secs(1);

impl Running {
    /// The ledger, and the account beside it, however long a database that is away takes to be there; `None` when a stop
    /// was requested first.
    ///
    /// # Errors
    /// What no waiting would mend.
    pub(super) async fn open_ledger(&self, component: &Component) -> anyhow::Result<Option<store::Opened>> {
        let store = &self.settings.store;
        let shutdown = self.tasks.shutdown();
        loop {
            let settings = store::Settings { connections_max: store.connections_max };
            match store::open_all(store.url.expose_secret(), settings).await {
                Ok(opened) => return Ok(Some(opened)),
                Err(OpenError::Ledger(error @ LedgerError::Unavailable(_))) => {
                    let told = protocol::chain(&error);
                    warn!("{told}; trying again");
                    component.not_ready(told);
                }
                Err(error) => return Err(error).context("open the release ledger (configuration key store.url)"),
            }
            tokio::select! {
                () = self.environment.clock.sleep(INTERVAL) => {}
                () = shutdown.requested() => return Ok(None),
            }
        }
    }

    /// Readiness follows the ledger.
    pub(super) fn watch_ledger(&self, ledger: Arc<dyn Ledger>, component: Component) {
        let (clock, shutdown) = (Arc::clone(&self.environment.clock), self.tasks.shutdown().clone());
        self.tasks.spawn("watch ledger", OnEnd::Helper, async move {
            let mut away: Option<String> = None;
            loop {
                match ledger.ping().await {
                    Ok(()) => {
                        component.ready();
                        if away.take().is_some() {
                            info!("the release ledger is there again");
                        }
                    }
                    Err(error) => {
                        let told = protocol::chain(&error);
                        component.not_ready(told.clone());
                        if away.as_ref() != Some(&told) {
                            warn!("{told}; messages wait until it is there");
                        }
                        away = Some(told);
                    }
                }
                tokio::select! {
                    biased;
                    () = clock.sleep(INTERVAL) => {}
                    () = shutdown.requested() => return Ok(()),
                }
            }
        });
    }
}
