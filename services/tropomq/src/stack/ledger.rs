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

/// How often at least, where a person must act first.
const INTERVAL_MAX: Duration = Duration::from_secs(5);

impl Running {
    /// The ledger, and the account beside it, however long a database that is away takes to be there; `None` when a stop
    /// was requested first. Whoever only looks waits for the others to make or upgrade it, and for a person to grant access.
    ///
    /// # Errors
    /// What no waiting would mend.
    pub(super) async fn open_ledger(&self, component: &Component) -> anyhow::Result<Option<store::Opened>> {
        let store = &self.settings.store;
        let shutdown = self.tasks.shutdown();
        let (mut pause, mut told_last) = (INTERVAL, None);
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
                    if told_last.as_ref() != Some(&told) {
                        warn!("{told}; trying again");
                    }
                    watch::away(component, self.only_looks, told.clone());
                    pause = pause_after(&error, pause);
                    told_last = Some(told);
                }
                Err(error) => return Err(error).context("open the release ledger (configuration key store.url)"),
            }
            tokio::select! {
                () = self.environment.clock.sleep(pause) => {}
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

/// How long to wait before it is opened again: longer and longer where a person must act first, who may take days.
fn pause_after(error: &OpenError, before: Duration) -> Duration {
    match error {
        OpenError::Ledger(LedgerError::Denied(_)) | OpenError::Older { .. } => {
            before.saturating_mul(2).min(INTERVAL_MAX)
        }
        OpenError::Ledger(LedgerError::Unavailable(_) | LedgerError::Corrupt(_) | LedgerError::Unreadable(_))
        | OpenError::Url
        | OpenError::Newer { .. }
        | OpenError::Encoding { .. }
        | OpenError::TooLong { .. } => INTERVAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_person_must_let_in_asks_less_and_less_often() {
        let cause = || Arc::new(std::io::Error::other("a cause"));
        let waits = |error: OpenError| {
            let pauses = (0..8).scan(INTERVAL, |pause, _| {
                *pause = pause_after(&error, *pause);
                Some(pause.as_secs())
            });
            pauses.collect::<Vec<_>>()
        };
        let longer = [2, 4, 5, 5, 5, 5, 5, 5];
        assert_eq!(waits(OpenError::Older { found: 6, known: 7 }), longer);
        assert_eq!(waits(OpenError::Ledger(LedgerError::Denied(cause()))), longer);
        assert_eq!(waits(OpenError::Ledger(LedgerError::Unavailable(cause()))), [1; 8]);
    }

    #[test]
    fn whoever_only_looks_waits_for_an_upgrade_and_the_others_do_it() {
        let older = OpenError::Older { found: 7, known: 8 };
        assert!(may_pass(&older, true) && !may_pass(&older, false));
        let newer = OpenError::Newer { found: 9, known: 8 };
        assert!(!may_pass(&newer, true) && !may_pass(&newer, false));
    }
}
