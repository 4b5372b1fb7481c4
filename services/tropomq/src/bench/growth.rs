//! What grows with the years: backends, replicas, what the ledger has on record, what waits on queues.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use messaging::Environment;
use protocol::{Address, BackendName, EventId, SessionId};
use serde::{Deserialize, Serialize};
use store::{Claim, Claimed, Ledger, Outcome};

use super::load::Load;
use super::measure::{Measure, number};
use super::stage::{BACKEND, Stage};
use crate::output::say;

/// How many claims are asked for at once.
const CLAIMS_AT_ONCE: usize = 1024;

/// How many texts are on their way to ingress at once while a backlog is made.
const WEBHOOKS_AT_ONCE: usize = 128;

/// How long between two looks whether more may go.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// The options of a benchmark that make things large.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Growth {
    /// How many backends are configured; one of them has all texts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) backends: u32,
    /// How many routers and egresses there are, on RabbitMQ
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub(super) replicas: u16,
    /// How many messages the release ledger has on record before the load begins
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    pub(super) ledger_rows: u64,
    /// How many texts are taken while there is no router, which are then answered as fast as they can be, on RabbitMQ
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    pub(super) backlog: u64,
}

/// How texts that waited were answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Backlog {
    pub(super) texts: u64,
    /// While they came in.
    pub(super) texts_per_s: f64,
    /// The first half of them, from when there was a router again.
    pub(super) first_half_per_s: f64,
    /// The second half.
    pub(super) second_half_per_s: f64,
    /// Memory of the broker when all of them waited.
    pub(super) broker_resident_mib: f64,
}

impl Growth {
    /// Puts messages on record that were sent.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) async fn fill(&self, store: &str) -> anyhow::Result<()> {
        if self.ledger_rows == 0 {
            return Ok(());
        }
        say(&format!("putting {} messages on record …", self.ledger_rows));
        let ledger = store::open(store).await.context("open the release ledger")?;
        let environment = Environment::system();
        let backend: BackendName = BACKEND.parse().context("the backend of the benchmark")?;
        let to = Address::parse(super::load::NUMBER).context("the number of the benchmark")?;
        let sent = stream::iter(0..self.ledger_rows).map(|row| send(&*ledger, &environment, &backend, &to, row));
        sent.buffer_unordered(CLAIMS_AT_ONCE).try_collect::<()>().await
    }

    /// Has texts wait for a router, and then answered.
    ///
    /// # Errors
    /// Something could not be stopped or started, or not all texts were answered.
    pub(super) async fn backlog(
        &self,
        measure: &Measure<'_>,
        stage: &mut Stage,
        load: &Load,
    ) -> anyhow::Result<Option<Backlog>> {
        if self.backlog == 0 || measure.servers.is_none() {
            return Ok(None);
        }
        say(&format!("{} texts wait for a router …", self.backlog));
        stage.stop_named("router")?;
        let (before, began) = (load.counts().answered, Instant::now());
        for _ in 0..self.backlog {
            while WEBHOOKS_AT_ONCE <= load.under_way() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            load.text_now();
        }
        while 0 < load.under_way() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let texts_per_s = number(self.backlog) / began.elapsed().as_secs_f64();
        let broker = measure.servers.map(|servers| servers.broker.usage()).unwrap_or_default();
        say("and are answered …");
        stage.start_named("router").await?;
        let half = self.backlog / 2;
        let first_half = load.until_answered(before + half).await?;
        let second_half = load.until_answered(before + self.backlog).await?;
        Ok(Some(Backlog {
            texts: self.backlog,
            texts_per_s,
            first_half_per_s: number(half) / first_half.as_secs_f64(),
            second_half_per_s: number(self.backlog - half) / second_half.as_secs_f64(),
            broker_resident_mib: number(broker.resident_bytes) / f64::from(1 << 20),
        }))
    }
}

/// One message as the services would have sent it.
async fn send(
    ledger: &dyn Ledger,
    environment: &Environment,
    backend: &BackendName,
    to: &Address,
    row: u64,
) -> anyhow::Result<()> {
    let session_id: SessionId = format!("{row:032x}").parse().context("a session of the benchmark")?;
    let message_id = EventId::of_webhook(backend, &session_id, protocol::Kind::MessageSend, "");
    let claim = Claim {
        message_id,
        session_id: session_id.clone(),
        backend: backend.clone(),
        to: to.clone(),
        correlation_id: Some(session_id.clone()),
        attempt: 1,
        command: None,
        at: environment.now(),
        until: None,
    };
    match ledger.claim(claim).await.context("put a message on record")? {
        Claimed::Granted { .. } => {}
        other => bail!("a message of the benchmark was known already: {other:?}"),
    }
    ledger.settle(message_id, &session_id, Outcome::Sent, environment.now()).await.context("settle a message")?;
    Ok(())
}
