//! One drill: the load goes on, faults come and go, everything comes to rest, every text is accounted for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::shutdown::Shutdown;
use chassis::tasks::{OnEnd, Tasks};
use futures::{StreamExt, stream};
use messaging::Environment;
use protocol::SessionId;

use super::account::{Fate, Tally, Text};
use super::load::{Load, Sent};
use super::plan::{Act, Shape, Step, Target};
use super::report::{Recovery, Report};
use super::stage::{STOP_MAX, Stage, VHOST};
use super::tropo::Texted;
use super::{Drill, evidence};
use crate::output::say;
use crate::rig::blocking;

/// How long everything may take to be ready at the beginning.
const START_MAX: Duration = Duration::from_secs(90);

/// How long the load runs before the first fault.
const WARM_UP: Duration = Duration::from_secs(3);

/// How long between two looks at what is awaited.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How many sessions Tropo is asked about at once.
const ASKED_AT_ONCE: usize = 16;

/// A drill under way.
pub(super) struct Run<'a> {
    pub(super) drill: &'a Drill,
    pub(super) stage: Stage,
    pub(super) load: Load,
    environment: Environment,
    seed: u64,
    began: Instant,
}

impl Stage {
    /// Waits until every process says that it is ready.
    ///
    /// # Errors
    /// One does not in time, or has ended.
    pub(super) async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            let waiting = self.not_ready().await;
            if waiting.is_empty() {
                return Ok(());
            }
            let ended = self.ended();
            if !ended.is_empty() {
                bail!("{} ended", ended.join(", "));
            }
            if deadline <= Instant::now() {
                bail!("{} not ready after {START_MAX:?}", waiting.join(", "));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(drill: &'a Drill, stage: Stage, environment: Environment, seed: u64) -> Self {
        let load = Load::new(stage.tropo.clone(), environment.clone(), seed, drill.phones);
        Self { drill, stage, load, environment, seed, began: Instant::now() }
    }

    /// Keeps what the servers logged.
    pub(super) fn keep_logs(&self) {
        self.stage.keep_logs();
    }

    /// The whole drill.
    ///
    /// # Errors
    /// It could not be run: what it found is in the report.
    pub(super) async fn perform(&mut self, steps: &[Step], tasks: &Tasks) -> anyhow::Result<Report> {
        self.stage.wait_ready().await.context("start the services")?;
        if let Some(servers) = &self.stage.servers {
            blocking(|| servers.broker.wait_queues_kept(VHOST))?;
        }
        self.began = Instant::now();
        let (load_ends, ears_close) = (Shutdown::new(), Shutdown::new());
        let load_done = self.begin_load(tasks, &load_ends, &ears_close);
        self.warm_up().await;
        let mut faults = Vec::new();
        for step in steps {
            let recovery = self.fault(step).await.with_context(|| format!("bring about {}", step.fault.name))?;
            let is_recovered = recovery.recovered_ms.is_some();
            faults.push(recovery);
            if !is_recovered {
                self.tell("no further faults: they would say nothing of a product that is not well");
                break;
            }
        }
        tokio::time::sleep(self.drill.gap).await;
        load_ends.request();
        load_done.requested().await;
        self.tell("the load has ended; waiting until everything has come to rest");
        let settled = self.settle().await?;
        for name in self.stage.product() {
            // It is killed then, and the account is as good.
            if let Err(error) = self.stage.service(name)?.stop(STOP_MAX) {
                self.tell(&format!("{error:#}"));
            }
        }
        ears_close.request();
        self.load.look().await.context("read the phones")?;
        let texts = self.texts().await?;
        let tally = Tally::of(&texts, self.load.stray(), self.drill.late);
        let passed = tally.is_good() && settled && faults.iter().all(|fault| fault.recovered_ms.is_some());
        let longest_lag_ms = millis(self.load.longest_lag());
        let bus = if self.drill.embedded { "embedded" } else { "rabbitmq" };
        let (seed, rate) = (self.seed, self.drill.rate);
        Ok(Report { passed, seed, bus, rate, longest_lag_ms, texts: tally, faults, settled })
    }

    /// Starts the load, and reading the phones. What is returned is requested when the load has ended.
    fn begin_load(&self, tasks: &Tasks, load_ends: &Shutdown, ears_close: &Shutdown) -> Shutdown {
        let done = Shutdown::new();
        let (load, rate, ends, ended) = (self.load.clone(), self.drill.rate, load_ends.clone(), done.clone());
        let stopped = tasks.shutdown().clone();
        tasks.spawn("load", OnEnd::Helper, async move {
            tokio::select! {
                biased;
                () = stopped.requested() => {}
                () = load.run(rate, ends) => {}
            }
            ended.request();
            Ok(())
        });
        let (load, closes, stopped) = (self.load.clone(), ears_close.clone(), tasks.shutdown().clone());
        tasks.spawn("phones", OnEnd::Helper, async move {
            tokio::select! {
                biased;
                () = stopped.requested() => {}
                () = load.listen(closes) => {}
            }
            Ok(())
        });
        done
    }

    /// Lets the load run while nothing is wrong, and warns if the product does not keep up with it even so.
    async fn warm_up(&self) {
        tokio::time::sleep(WARM_UP).await;
        let (begun, answered) = (self.load.begun(), self.load.answered());
        if answered * 2 < begun {
            say(&format!(
                "WARNING: with nothing wrong, {answered} of {begun} texts are answered after {WARM_UP:?}: this machine \
                 does not keep --rate {}, and recoveries will seem slow",
                self.drill.rate
            ));
        }
    }

    /// One fault, from the calm before it to the recovery after it.
    async fn fault(&mut self, step: &Step) -> anyhow::Result<Recovery> {
        let Step { fault, calm } = step;
        tokio::time::sleep(*calm).await;
        self.tell(&format!("{}: {}", fault.name, fault.words));
        let at_ms = millis(self.began.elapsed());
        self.stage.inject(fault.act).await?;
        if fault.act == Act::BrokerAway {
            let half = self.drill.away / 2;
            tokio::time::sleep(half).await;
            // What it accepted until now is in its spool alone.
            self.stage.kill_and_start(Target::Service("ingress"))?;
            tokio::time::sleep(half).await;
        } else {
            tokio::time::sleep(self.drill.hold).await;
        }
        self.stage.lift(fault.act).await?;
        let (ready_ms, recovered_ms) = self.recovered().await;
        match (ready_ms, recovered_ms) {
            (Some(ready), Some(took)) => {
                self.tell(&format!("{}: ready in {ready} ms, recovered in {took} ms", fault.name));
            }
            _ => {
                let (ended, waiting) = (self.stage.ended(), self.stage.not_ready().await);
                self.tell(&format!(
                    "{}: NOT RECOVERED after {:?}; ended: {ended:?}; not ready: {waiting:?}",
                    fault.name, self.drill.recovery
                ));
            }
        }
        Ok(Recovery { fault: fault.name, at_ms, ready_ms, recovered_ms })
    }

    /// How long it takes from now, in milliseconds, until all are ready, and until a text from now on has its reply as
    /// well.
    async fn recovered(&mut self) -> (Option<u64>, Option<u64>) {
        let lifted_at = self.environment.now();
        let since_lifted = |at: protocol::Timestamp| {
            u64::try_from(at.as_millisecond() - lifted_at.as_millisecond()).unwrap_or_default()
        };
        let deadline = Instant::now() + self.drill.recovery;
        let mut ready_at = None;
        while Instant::now() < deadline {
            if ready_at.is_none() && self.stage.not_ready().await.is_empty() {
                ready_at = Some(self.environment.now());
            }
            if let (Some(ready), Some(replied)) = (ready_at, self.load.first_reply_since(lifted_at)) {
                return (Some(since_lifted(ready)), Some(since_lifted(ready.max(replied))));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        (ready_at.map(since_lifted), None)
    }

    /// Tells whoever waits how things stand.
    pub(super) fn tell(&self, words: &str) {
        let (begun, answered) = (self.load.begun(), self.load.answered());
        let elapsed = self.began.elapsed().as_secs_f64();
        say(&format!("{elapsed:>6.1} s  {begun:>7} sent {answered:>7} answered   {words}"));
    }

    /// The shape of the product here.
    pub(super) fn shape(&self) -> Shape {
        if self.drill.embedded { Shape::OneProcess } else { Shape::Services }
    }

    /// What became of every text. The services do not run any more; Tropo still does.
    async fn texts(&self) -> anyhow::Result<Vec<Text>> {
        let sent = self.load.texts();
        let fates = self.fates(&sent).await?;
        let mut messages = HashMap::new();
        for (number, Sent { texted, .. }) in &sent {
            if let Texted::Taken(session) = texted {
                messages.insert(*number, (evidence::answer_to(session)?, session.clone()));
            }
        }
        let ledger = store::open(&self.stage.store).await.context("open the release ledger")?;
        let ids: Vec<_> = messages.values().map(|(id, _)| *id).collect();
        let releases = evidence::releases(&*ledger, &ids).await?;
        let mut texts: Vec<Text> = sent
            .iter()
            .map(|(number, Sent { at, .. })| Text {
                number: *number,
                fate: fates.get(number).copied().unwrap_or(Fate::Uncertain),
                sent_at: *at,
                replies: self.load.replies(*number),
                end: messages.get(number).and_then(|(id, _)| evidence::end_of(releases.get(id).copied(), None)),
            })
            .collect();
        if texts.iter().any(is_unexplained) {
            let on_bus = evidence::on_bus(&self.stage.bus).await.context("read what is on record on the bus")?;
            for text in texts.iter_mut().filter(|text| is_unexplained(text)) {
                text.end = messages.get(&text.number).and_then(|(id, session)| {
                    evidence::end_of(releases.get(id).copied(), on_bus.get(session).copied())
                });
            }
        }
        Ok(texts)
    }

    /// What Tropo was told about each text. What it does not know yet, or was never asked, is left out.
    pub(super) async fn fates(&self, sent: &[(u64, Sent)]) -> anyhow::Result<HashMap<u64, Fate>> {
        let mut fates = HashMap::new();
        let mut asked: Vec<(u64, &SessionId)> = Vec::new();
        for (number, Sent { texted, .. }) in sent {
            match texted {
                Texted::Taken(session) => asked.push((*number, session)),
                Texted::Refused => drop(fates.insert(*number, Fate::Refused)),
                Texted::Unknown => {}
            }
        }
        let ask = |(number, session)| async move { (number, self.stage.tropo.fate(session).await) };
        let mut answers = stream::iter(asked).map(ask).buffer_unordered(ASKED_AT_ONCE);
        while let Some((number, fate)) = answers.next().await {
            if let Some(fate) = fate.context("ask Tropo what became of a text")? {
                fates.insert(number, fate);
            }
        }
        Ok(fates)
    }
}

/// Whether it was promised, and neither a reply nor the ledger tells its end.
fn is_unexplained(text: &Text) -> bool {
    text.fate == Fate::Accepted && text.replies.is_empty() && text.end.is_none()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
