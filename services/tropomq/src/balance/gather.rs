//! Gathers what the account and the queues say, wherever they are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chassis::shutdown::Shutdown;
use chassis::tasks::{OnEnd, Tasks};
use futures::FutureExt;
use journal::balance::{Look, Queues, Since, queues};
use messaging::{Bus, BusUrl, Depths, Environment, Opened};
use protocol::topology::QueueName;
use protocol::{BackendName, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use store::Accounts;

use super::management::Management;
use crate::settings::Settings;
use crate::stack::{ACCOUNT_PATH, AccountAsked};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How much longer than a result may take, after the start of egress, its sweep may need until it has dealt with what is
/// overdue.
const SWEEP_MAX: Duration = Duration::from_mins(1);

/// How long something may take before it is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To get from one place to the next.
    pub(crate) settle: Duration,
    /// A result, as egress waits for it: `egress.result_timeout`.
    pub(crate) result: Duration,
}

impl Patience {
    /// Since when what was released may still wait for its result. Egress begins to look for what is overdue a result's
    /// time after its start, so what is released before a restart may wait for two.
    fn awaited_since(self, now: Timestamp) -> anyhow::Result<Timestamp> {
        let longest = self.result.saturating_mul(2).saturating_add(SWEEP_MAX);
        now.checked_sub(longest).context("egress.result_timeout")
    }
}

/// Who is asked.
pub(super) enum Source {
    /// The process that has the embedded bus.
    Process { client: reqwest::Client },
    /// RabbitMQ, and the database.
    Servers { counter: Counter, accounts: Arc<dyn Accounts>, driver: Tasks },
}

/// Counts queues.
pub(crate) struct Counter {
    bus: Arc<dyn Bus>,
    /// Where the bus does not tell what is in consumers' hands.
    management: Option<Management>,
}

impl Counter {
    /// Counts on a bus that tells all by itself.
    pub(crate) fn of(bus: Arc<dyn Bus>) -> Self {
        Self { bus, management: None }
    }

    /// Counts as `bus.management` lets it.
    ///
    /// # Errors
    /// The address of the management API is none.
    pub(crate) fn on(bus: Arc<dyn Bus>, settings: &Settings) -> anyhow::Result<Self> {
        let BusUrl::Amqp(url) = &settings.bus.url else { return Ok(Self::of(bus)) };
        let management = settings.bus.management.as_ref();
        let management = management.map(|management| Management::new(management.expose_secret(), url)).transpose()?;
        Ok(Self { bus, management })
    }

    async fn count(&self, queues: &[QueueName]) -> anyhow::Result<Depths> {
        let mut depths = self.bus.depths(queues).await?;
        if let Some(management) = &self.management {
            management.complete(&mut depths).await?;
        }
        Ok(depths)
    }
}

impl Source {
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        if let BusUrl::Embedded(_) = settings.bus.url {
            let client = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build()?;
            return Ok(Self::Process { client });
        }
        let store = store::Settings { connections_max: settings.store.connections_max };
        let opened = store::open_existing(settings.store.url.expose_secret(), store).await;
        let accounts = opened.context("open the account (configuration key store.url)")?.accounts;
        let Opened { bus, driver } = messaging::open(&settings.bus.url, settings.topology()).context("open the bus")?;
        let counter = Counter::on(bus, settings)?;
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("bus", OnEnd::Helper, driver.map(Ok));
        Ok(Self::Servers { counter, accounts, driver: tasks })
    }

    pub(super) async fn look(
        &self,
        settings: &Settings,
        settle: Duration,
        environment: &Environment,
    ) -> anyhow::Result<Look> {
        match self {
            Self::Process { client } => ask(client, settings, settle).await,
            Self::Servers { counter, accounts, .. } => {
                let backends: Vec<_> = settings.backends.keys().cloned().collect();
                let patience = Patience { settle, result: settings.egress.result_timeout };
                take(&**accounts, &backends, patience, environment, counter).await
            }
        }
    }

    pub(super) async fn close(self) {
        if let Self::Servers { counter: Counter { bus, .. }, driver, .. } = self {
            driver.shutdown().request();
            bus.close().await;
            // It has nothing to say: nothing was published.
            let _ = driver.join(ANSWER_MAX).await;
        }
    }
}

/// Counts the queues of the backends that are configured or were heard of, and draws the account afterwards.
pub(crate) async fn take(
    accounts: &dyn Accounts,
    configured: &[BackendName],
    patience: Patience,
    environment: &Environment,
    counter: &Counter,
) -> anyhow::Result<Look> {
    let now = environment.now();
    let since = Since {
        settled_before: now.checked_sub(patience.settle).context("--settle")?,
        awaited_since: patience.awaited_since(now)?,
    };
    let known = accounts.account(since.settled_before).await.context("draw the account")?;
    let mut backends: Vec<BackendName> = configured.iter().chain(known.keys()).cloned().collect();
    backends.sort();
    backends.dedup();
    let counted = counter.count(&queues(&backends)).await.context("count the queues")?;
    Look::take(accounts, Queues::of(&backends, &counted), since).await.context("draw the account")
}

/// Asks the process that has the embedded bus.
async fn ask(client: &reqwest::Client, settings: &Settings, settle: Duration) -> anyhow::Result<Look> {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    let url = crate::development::address(settings.admin.listen, ACCOUNT_PATH)?;
    let asked = AccountAsked { settle_ms: u64::try_from(settle.as_millis()).unwrap_or(u64::MAX) };
    let asked = client.get(asked.on(url.clone())).send().await.map_err(reqwest::Error::without_url);
    let answer =
        asked.with_context(|| format!("ask {url}: the embedded bus belongs to `tropomq up`; is it running?"))?;
    let is_well = answer.status().is_success();
    let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
    let elsewhere = || format!("{url} is not the admin address of `tropomq up` on an embedded bus");
    if is_well {
        return serde_json::from_slice(&body).with_context(elsewhere);
    }
    let Refused { error } = serde_json::from_slice(&body).with_context(elsewhere)?;
    bail!("{url}: {error}")
}
