//! Opens the release ledger with the account beside it, and lets the readiness of the process follow it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::health::Component;
use chassis::tasks::OnEnd;
use secrecy::ExposeSecret;
use store::{Ledger, LedgerError, OpenError};
use tracing::{info, warn};

use super::{Running, watch};

/// How often the ledger is asked whether it is there.
const INTERVAL: Duration = Duration::from_secs(1);

impl Running {
    /// The ledger, and the account beside it, however long a database that is away takes to be there; `None` when a stop
    /// was requested first. Whoever only looks waits for the others to make or upgrade it, and for a person to grant access.
    ///
    /// # Errors
    /// What no waiting would mend.
    pub(super) async fn open_ledger(&self, component: &Component) -> anyhow::Result<Option<store::Opened>> {
        let store = &self.settings.store;
        let shutdown = self.tasks.shutdown();
        loop {
            let (url, settings) =
                (store.url.expose_secret(), store::Settings { connections_max: store.connections_max });
            // Whoever only looks neither makes nor upgrades what the others work with.
            let opened = match self.only_looks {
                true => store::open_existing(url, settings).await,
                false => store::open_all(url, settings).await,
            };
            match opened {
                Ok(opened) => return Ok(Some(opened)),
                Err(error) if may_pass(&error, self.only_looks) => {
                    let told = protocol::chain(&error);
                    warn!("{told}; trying again");
                    watch::away(component, self.only_looks, told);
                }
                Err(error) => return Err(error).context("open the release ledger (configuration key store.url)"),
            }
            tokio::select! {
                () = self.environment.clock.sleep(INTERVAL) => {}
                () = shutdown.requested() => return Ok(None),
            }
        }
    }

    /// Readiness follows the ledger, unless the process only looks.
    pub(super) fn watch_ledger(&self, ledger: Arc<dyn Ledger>, component: Component) {
        let only_looks = self.only_looks;
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
                        watch::away(&component, only_looks, told.clone());
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

/// Whether it may be there later, without a start of this process.
fn may_pass(error: &OpenError, only_looks: bool) -> bool {
    match error {
        OpenError::Ledger(LedgerError::Unavailable(_)) => true,
        OpenError::Ledger(LedgerError::Denied(_)) | OpenError::Older { .. } => only_looks,
        OpenError::Ledger(LedgerError::Corrupt(_) | LedgerError::Unreadable(_))
        | OpenError::Url
        | OpenError::Newer { .. }
        | OpenError::Encoding { .. }
        | OpenError::TooLong { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_only_looks_waits_for_an_upgrade_and_the_others_do_it() {
        let older = OpenError::Older { found: 7, known: 8 };
        assert!(may_pass(&older, true) && !may_pass(&older, false));
        let newer = OpenError::Newer { found: 9, known: 8 };
        assert!(!may_pass(&newer, true) && !may_pass(&newer, false));
    }
}
