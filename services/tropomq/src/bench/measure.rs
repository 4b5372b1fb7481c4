//! Measuring: one subject after the other under the same load.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use chassis::shutdown::Shutdown;
use chassis::tasks::Tasks;
use parts::Usage;
use serde::Deserialize;

use super::figures::{ClosedLoop, Cpu, Measured, OpenLoop};
use super::growth::Growth;
use super::load::Load;
use super::stage::{Stage, Subject};
use super::{Bench, door};
use crate::output::say;
use crate::rig::{Servers, blocking};

/// How long processes are left alone before their memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// RabbitMQ counts every 5 s where nothing else is set, and once more until its API shows it.
const COUNTED_AFTER: Duration = Duration::from_secs(7);

/// What became of messages is told some time after their replies were read. That is awaited, but not for ever.
const RESULTS_MAX: Duration = Duration::from_secs(60);
const RESULTS_INTERVAL: Duration = Duration::from_millis(50);

/// Counts how released messages ended.
const OUTCOMES: &str = "tropomq_outcomes_messages_total";

/// Counts what is asked of the allocator, in a build that does.
const ALLOCATIONS: &str = "process_allocations_total";

/// What is needed for measuring.
pub(super) struct Measure<'a> {
    pub(super) bench: &'a Bench,
    pub(super) servers: Option<&'a Servers>,
    pub(super) folder: &'a Path,
    pub(super) http: reqwest::Client,
}

/// What was used until a moment.
struct Snapshot {
    services: BTreeMap<String, Usage>,
    broker: Usage,
    database: Usage,
    load: Usage,
}

/// What a broker counted of a virtual host.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Traffic {
    #[serde(default)]
    recv_oct: f64,
    #[serde(default)]
    send_oct: f64,
    #[serde(default)]
    message_stats: MessageStats,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct MessageStats {
    #[serde(default)]
    publish: f64,
    #[serde(default)]
    deliver_get: f64,
}

impl Measure<'_> {
    /// Everything about a subject; `door` is what of it takes webhooks, alone.
    ///
    /// # Errors
    /// Something could not be run.
    pub(super) async fn subject(&self, subject: Subject, door: Option<Subject>) -> anyhow::Result<Measured> {
        let webhooks_per_s = match door {
            Some(door) => Some(self.door(door).await?),
            None => None,
        };
        say(&format!("{subject:?}: starting …"));
        let mut stage = self.stage(subject).await?;
        let ready_after_ms = stage.restart().await?;
        tokio::time::sleep(IDLE).await;
        let idle_resident_mib = resident(&stage.usage());
        let tasks = Tasks::new(Shutdown::new());
        let load = Load::start(&stage.target, &tasks).await?;
        let mut open_loop = Vec::new();
        for rate in &self.bench.rates {
            say(&format!("{subject:?}: {rate} texts a second …"));
            open_loop.push(self.open_loop(&stage, &load, *rate).await?);
        }
        let at_once = usize::from(self.bench.at_once);
        say(&format!("{subject:?}: {at_once} conversations at once …"));
        let closed_loop = self.closed_loop(&stage, &load, subject, at_once).await?;
        let backlog = match subject.tells_results() {
            true => self.bench.growth.backlog(self, &mut stage, &load).await?,
            false => None,
        };
        let lost = u64::try_from(load.lost().await).unwrap_or(u64::MAX);
        let repeated = load.counts().repeated;
        stage.stop()?;
        tasks.shutdown().request();
        tasks.join(super::END_MAX).await?;
        Ok(Measured {
            closed_loop,
            open_loop,
            webhooks_per_s,
            ready_after_ms,
            idle_resident_mib,
            backlog,
            lost,
            repeated,
        })
    }

    /// What grows, grows for what is measured as a whole: not for the ceiling, and not for a door alone.
    async fn stage(&self, subject: Subject) -> anyhow::Result<Stage> {
        let small = Growth { backends: 1, replicas: 1, ledger_rows: 0, backlog: 0 };
        let growth = if subject.tells_results() { &self.bench.growth } else { &small };
        Stage::start(subject, self.servers, self.folder, self.http.clone(), growth).await
    }

    async fn door(&self, subject: Subject) -> anyhow::Result<f64> {
        say(&format!("{subject:?}: webhooks alone …"));
        let mut stage = self.stage(subject).await?;
        let Bench { at_once, warm_up, duration, .. } = self.bench;
        let webhooks = door::load(&stage.target.webhooks, usize::from(*at_once), *warm_up, *duration).await?;
        stage.stop()?;
        Ok(webhooks)
    }

    async fn open_loop(&self, stage: &Stage, load: &Load, rate: f64) -> anyhow::Result<OpenLoop> {
        load.open_loop(rate, self.bench.warm_up).await;
        self.rest(stage, load).await;
        load.begin();
        let (counted, before) = (load.counts(), self.snapshot(stage));
        let longest_lag = load.open_loop(rate, self.bench.duration).await;
        self.rest(stage, load).await;
        let conversations = load.counts().answered - counted.answered;
        let cpu = self.snapshot(stage).since(&before).per(conversations);
        let longest_lag_ms = longest_lag.as_secs_f64() * 1000.0;
        Ok(OpenLoop { rate_per_s: rate, longest_lag_ms, conversations, latency: load.latency(), cpu })
    }

    async fn closed_loop(
        &self,
        stage: &Stage,
        load: &Load,
        subject: Subject,
        at_once: usize,
    ) -> anyhow::Result<ClosedLoop> {
        load.closed_loop(at_once, self.bench.warm_up).await;
        self.rest(stage, load).await;
        let traffic = self.traffic(subject).await?;
        let allocated = stage.counted(ALLOCATIONS).await;
        load.begin();
        let (counted, before, began) = (load.counts(), self.snapshot(stage), Instant::now());
        load.closed_loop(at_once, self.bench.duration).await;
        // All that the conversations cause counts, and the time that it takes.
        self.rest(stage, load).await;
        let (took, after) = (began.elapsed(), self.snapshot(stage));
        let conversations = load.counts().answered - counted.answered;
        let mut allocations_per_conversation = stage.counted(ALLOCATIONS).await;
        for (name, count) in &mut allocations_per_conversation {
            *count = (*count - allocated.get(name).copied().unwrap_or_default()) / number(conversations);
        }
        let traffic = self.traffic(subject).await?.zip(traffic);
        let per = |count: fn(&Traffic) -> f64| {
            traffic.map(|(after, before)| (count(&after) - count(&before)) / number(conversations))
        };
        Ok(ClosedLoop {
            at_once,
            conversations,
            conversations_per_s: number(conversations) / took.as_secs_f64(),
            latency: load.latency(),
            cpu: after.since(&before).per(conversations),
            broker_messages_per_conversation: per(|traffic| traffic.message_stats.publish),
            broker_deliveries_per_conversation: per(|traffic| traffic.message_stats.deliver_get),
            broker_bytes_per_conversation: per(|traffic| traffic.recv_oct + traffic.send_oct),
            allocations_per_conversation,
            warm_resident_mib: resident(&before.services),
            resident_mib: resident(&after.services),
        })
    }

    /// Waits until all replies are read, and what became of each message is known where that is asked for.
    async fn rest(&self, stage: &Stage, load: &Load) {
        load.rest().await;
        let deadline = Instant::now() + RESULTS_MAX;
        while stage.subject.tells_results() && Instant::now() < deadline {
            if number(load.counts().answered) <= stage.counted(OUTCOMES).await.values().sum() {
                return;
            }
            tokio::time::sleep(RESULTS_INTERVAL).await;
        }
    }

    fn snapshot(&self, stage: &Stage) -> Snapshot {
        Snapshot {
            services: stage.usage(),
            broker: self.servers.map(|servers| servers.broker.usage()).unwrap_or_default(),
            database: self.servers.map(|servers| servers.database.usage()).unwrap_or_default(),
            load: Usage::own(),
        }
    }

    /// What the broker has counted by now.
    async fn traffic(&self, subject: Subject) -> anyhow::Result<Option<Traffic>> {
        let Some(servers) = self.servers else { return Ok(None) };
        tokio::time::sleep(COUNTED_AFTER).await;
        let path = format!("/api/vhosts/{}", subject.vhost());
        let told = blocking(|| servers.broker.management().get(&path))?;
        serde_json::from_str(&told).context("read what RabbitMQ counted").map(Some)
    }
}

impl Snapshot {
    fn since(&self, earlier: &Self) -> Self {
        let services = self.services.iter().map(|(name, usage)| {
            let earlier = earlier.services.get(name).copied().unwrap_or_default();
            (name.clone(), *usage - earlier)
        });
        Self {
            services: services.collect(),
            broker: self.broker - earlier.broker,
            database: self.database - earlier.database,
            load: self.load - earlier.load,
        }
    }

    fn per(&self, conversations: u64) -> Cpu {
        let ms = |usage: &Usage| usage.cpu.as_secs_f64() * 1000.0 / number(conversations);
        let each: BTreeMap<_, _> = self.services.iter().map(|(name, usage)| (name.clone(), ms(usage))).collect();
        Cpu {
            services_cpu_ms_per_conversation: each.values().sum(),
            broker_cpu_ms_per_conversation: ms(&self.broker),
            database_cpu_ms_per_conversation: ms(&self.database),
            load_cpu_ms_per_conversation: ms(&self.load),
            cpu_ms_per_conversation: each,
        }
    }
}

fn resident(usage: &BTreeMap<String, Usage>) -> BTreeMap<String, f64> {
    usage.iter().map(|(name, usage)| (name.clone(), number(usage.resident_bytes) / f64::from(1 << 20))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is more than an f64 can count")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
