//! Draws the account of every text and message, and judges whether it adds up.

mod management;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use journal::balance::{Look, Prefetch, Queues, Since, judge, queues};
use messaging::{Bus, BusUrl, Depths, Environment};
use protocol::topology::QueueName;
use protocol::{BackendName, Timestamp};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::balance::Told;
use crate::settings::Settings;
use management::Management;

/// How much longer than a result may take, after the start of egress, its sweep may need until it has dealt with what is
/// overdue.
const SWEEP_MAX: Duration = Duration::from_mins(1);

/// What does not add up is looked at again and again for so long. A message that goes from one queue to another while they
/// are counted may be in neither count; one that is lost is in none of any look.
const LOOK_FOR: Duration = Duration::from_secs(3);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What the account is drawn from.
pub(super) struct Books {
    bus: Arc<dyn Bus>,
    /// Where the bus does not tell what is in consumers' hands.
    management: Option<Management>,
    database: console::Database,
    backends: Vec<BackendName>,
    prefetch: Prefetch,
    /// How long a result may take, as egress waits for it.
    result_timeout: Duration,
    environment: Environment,
}

impl Books {
    /// # Errors
    /// The address of the management API cannot be.
    pub(super) fn new(
        settings: &Settings,
        bus: Arc<dyn Bus>,
        database: console::Database,
        environment: Environment,
    ) -> anyhow::Result<Self> {
        let Settings { router, egress, journal, .. } = settings;
        let management = match (&settings.bus.url, &settings.bus.management) {
            (BusUrl::Amqp(url), Some(management)) => Some(Management::new(management.expose_secret(), url)?),
            _ => None,
        };
        let prefetch = Prefetch { texts: router.prefetch, messages: egress.prefetch, events: journal.prefetch };
        let (backends, result_timeout) = (settings.backends.keys().cloned().collect(), egress.result_timeout);
        Ok(Self { bus, management, database, backends, prefetch, result_timeout, environment })
    }

    /// The account, of one backend if one is named, and what does not add up in it. `settle`: how long something may take
    /// to get from one place to the next.
    ///
    /// # Errors
    /// The bus or the database cannot be asked.
    pub(super) async fn balance(&self, backend: Option<&BackendName>, settle: Duration) -> anyhow::Result<Told> {
        let over = Instant::now() + LOOK_FOR;
        loop {
            let look = self.look(settle).await?;
            let findings = judge(&look, backend, self.prefetch);
            if findings.is_empty() || over <= Instant::now() {
                return Ok(Told::of(&look, findings, backend, settle));
            }
            self.environment.clock.sleep(PAUSE).await;
        }
    }

    /// Counts the queues of the backends that are configured or were heard of, and draws the account afterwards.
    async fn look(&self, settle: Duration) -> anyhow::Result<Look> {
        let accounts = &*self.database.get().context("the database is not there yet: ask again in a moment")?.accounts;
        let now = self.environment.now();
        let since = Since {
            settled_before: now.checked_sub(settle).context("settle")?,
            awaited_since: self.awaited_since(now)?,
        };
        let known = accounts.account(since.settled_before).await.context("draw the account")?;
        let mut backends: Vec<BackendName> = self.backends.iter().chain(known.keys()).cloned().collect();
        backends.sort();
        backends.dedup();
        let counted = self.count(&queues(&backends)).await.context("count the queues")?;
        Look::take(accounts, Queues::of(&backends, &counted), since).await.context("draw the account")
    }

    /// Since when what was released may still wait for its result. Egress begins to look for what is overdue a result's
    /// time after its start, so what is released before a restart may wait for two.
    fn awaited_since(&self, now: Timestamp) -> anyhow::Result<Timestamp> {
        let longest = self.result_timeout.saturating_mul(2).saturating_add(SWEEP_MAX);
        now.checked_sub(longest).context("egress.result_timeout")
    }

    async fn count(&self, queues: &[QueueName]) -> anyhow::Result<Depths> {
        let mut depths = self.bus.depths(queues).await?;
        if let Some(management) = &self.management {
            management.complete(&mut depths).await?;
        }
        Ok(depths)
    }
}
