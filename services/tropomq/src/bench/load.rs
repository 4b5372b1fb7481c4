//! The load: the simulated Tropo in this process, whose phones text, and a clock on every text until its reply is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use chassis::http;
use chassis::tasks::{OnEnd, Tasks};
use hdrhistogram::Histogram;
use protocol::{Address, Network};
use serde_json::json;
use simulator::{Simulator, Texting};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::figures::Latency;
use super::stage::{BACKEND, Target};
use super::threads::Threads;

/// The number that the phones text.
pub(super) const NUMBER: &str = "+15555550100";

/// How many phones there are: so many that none has two texts on their way, which the router would take one by one.
const PHONES: u64 = 50_000;

/// How many sessions and messages the simulator remembers: nobody asks for them.
const REMEMBERED: usize = 1;

/// The longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;

/// The latencies are exact to so many digits.
const DIGITS: u8 = 3;

/// How long all replies that are due may take to come, after the last text.
const LAST_REPLIES_MAX: Duration = Duration::from_secs(120);

/// How long is waited for replies too many.
const QUIET: Duration = Duration::from_secs(1);

/// The simulated Tropo and its phones. Clones are the same.
#[derive(Clone)]
pub(super) struct Load {
    simulator: Arc<Simulator>,
    phones: Arc<Vec<Address>>,
    number: Address,
    clocks: Arc<Clocks>,
    threads: Arc<Threads>,
}

#[derive(Default)]
struct Clocks(Mutex<Running>);

/// The clocks that run, and what those said that were stopped.
#[derive(Default)]
struct Running {
    begun: u64,
    answered: u64,
    repeated: u64,
    refused: u64,
    open: HashMap<u64, Open>,
    latencies: Option<Histogram<u64>>,
}

struct Open {
    since: Instant,
    /// Given back with the reply.
    _turn: Option<OwnedSemaphorePermit>,
}

/// How many of what there were, from the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    pub(super) begun: u64,
    pub(super) answered: u64,
    pub(super) repeated: u64,
    pub(super) refused: u64,
}

impl Load {
    /// The simulated Tropo of an application, serving where the target looks for it.
    ///
    /// # Errors
    /// It cannot listen.
    pub(super) async fn start(target: &Target, tasks: &Tasks) -> anyhow::Result<Self> {
        let threads = Arc::new(Threads::start()?);
        let (target, tasks, own) = (target.clone(), tasks.clone(), Arc::clone(&threads));
        threads.run(async move { Self::start_on(own, &target, &tasks).await }).await
    }

    async fn start_on(threads: Arc<Threads>, target: &Target, tasks: &Tasks) -> anyhow::Result<Self> {
        let config = serde_json::from_value(json!({
            "listen": target.sessions,
            "sessions_max": 1_000_000,
            "sessions_kept": REMEMBERED,
            "debugger_lines": 0,
            "phone_messages": REMEMBERED,
            "applications": { BACKEND: {
                "messaging_url": target.webhooks,
                "messaging_token": target.token,
                "numbers": [NUMBER],
            } },
        }));
        let config: simulator::Config = config.context("configure the simulator")?;
        let shutdown = tasks.shutdown().clone();
        let limits = config.limits.clone();
        let listener = http::bind(config.listen).await?;
        let simulator = Simulator::new(config, shutdown.clone()).context("start the simulator")?;
        let serving = http::serve_careless(listener, Arc::clone(&simulator).routes(), limits, shutdown);
        tasks.spawn("simulator", OnEnd::Essential, serving);
        let clocks = Arc::new(Clocks::default());
        let stopped = Arc::clone(&clocks);
        simulator.hear(move |message| stopped.stop(message.text.as_str()));
        let phones: Result<Vec<_>, _> =
            (0..PHONES).map(|phone| Address::parse(&format!("+1555{:07}", 6_000_000 + phone))).collect();
        let number = Address::parse(NUMBER).context("the number of the benchmark")?;
        let phones = Arc::new(phones.context("the phones of the benchmark")?);
        Ok(Self { simulator, phones, number, clocks, threads })
    }

    /// Texts at once whenever one of the conversations under way has its reply, until the time is over.
    pub(super) async fn closed_loop(&self, at_once: usize, duration: Duration) {
        let load = self.clone();
        let texting = async move {
            let turns = Arc::new(Semaphore::new(at_once));
            let end = Instant::now() + duration;
            while let Ok(Ok(turn)) = tokio::time::timeout_at(end, Arc::clone(&turns).acquire_owned()).await {
                load.text(Instant::now(), Some(turn));
            }
        };
        self.threads.run(texting).await;
    }

    /// Texts at a steady rate, whatever becomes of the texts, until the time is over. The clock of a text runs from when
    /// it was due, so that a load that is held up counts as what it is; how far it was behind at worst.
    pub(super) async fn open_loop(&self, rate: f64, duration: Duration) -> Duration {
        let load = self.clone();
        let texting = async move {
            let began = Instant::now();
            let mut longest_lag = Duration::ZERO;
            for number in 0_u32.. {
                let due = began + Duration::from_secs_f64(f64::from(number) / rate);
                if began + duration <= due {
                    break;
                }
                tokio::time::sleep_until(due).await;
                longest_lag = longest_lag.max(due.elapsed());
                load.text(due, None);
            }
            longest_lag
        };
        self.threads.run(texting).await
    }

    /// A phone texts.
    pub(super) fn text_now(&self) {
        self.text(Instant::now(), None);
    }

    /// How many webhooks are not answered yet.
    pub(super) fn under_way(&self) -> usize {
        self.simulator.active()
    }

    /// How long it takes until so many texts have their reply.
    ///
    /// # Errors
    /// For a long time none came any more.
    pub(super) async fn until_answered(&self, count: u64) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let (mut last, mut since) = (self.counts().answered, Instant::now());
        while last < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let answered = self.counts().answered;
            if last < answered {
                (last, since) = (answered, Instant::now());
            } else if LAST_REPLIES_MAX < since.elapsed() {
                anyhow::bail!("{answered} texts of {count} are answered, and for {LAST_REPLIES_MAX:?} no further one");
            }
        }
        Ok(began.elapsed())
    }

    fn text(&self, since: Instant, turn: Option<OwnedSemaphorePermit>) {
        let number = self.clocks.start(since, turn);
        let texting = Texting {
            to: self.number.clone(),
            text: match format!("echo {number}").parse() {
                Ok(text) => text,
                Err(_) => return self.clocks.refuse(number),
            },
            network: Network::sms(),
            subject: None,
            media: Vec::new(),
        };
        let phone = usize::try_from(number % PHONES).ok().and_then(|phone| self.phones.get(phone));
        if phone.is_none_or(|phone| self.simulator.send(phone, texting).is_err()) {
            self.clocks.refuse(number);
        }
    }

    /// How many of what there were.
    pub(super) fn counts(&self) -> Counts {
        let Running { begun, answered, repeated, refused, .. } = *self.clocks.lock();
        Counts { begun, answered, repeated, refused }
    }

    /// Forgets the latencies so far.
    pub(super) fn begin(&self) {
        self.clocks.lock().latencies = None;
    }

    /// The latencies since [`Load::begin`].
    pub(super) fn latency(&self) -> Latency {
        self.clocks.lock().latencies.as_ref().map(Latency::of).unwrap_or_default()
    }

    /// Waits until every text has its reply, or none comes any more.
    pub(super) async fn rest(&self) {
        let deadline = Instant::now() + LAST_REPLIES_MAX;
        while !self.clocks.lock().open.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many texts have no reply, once replies too many would have come as well.
    pub(super) async fn lost(&self) -> usize {
        self.rest().await;
        tokio::time::sleep(QUIET).await;
        self.clocks.lock().open.len()
    }
}

impl Clocks {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next text, whose clock runs.
    fn start(&self, since: Instant, turn: Option<OwnedSemaphorePermit>) -> u64 {
        let mut running = self.lock();
        let number = running.begun;
        running.begun += 1;
        running.open.insert(number, Open { since, _turn: turn });
        number
    }

    /// The simulator has too much under way: the text never left its phone.
    fn refuse(&self, number: u64) {
        let mut running = self.lock();
        running.refused += 1;
        running.open.remove(&number);
    }

    /// A reply was read.
    fn stop(&self, text: &str) {
        let mut running = self.lock();
        let known = text.parse().ok().filter(|number| *number < running.begun);
        let Some(Open { since, _turn }) = known.and_then(|number: u64| running.open.remove(&number)) else {
            running.repeated += 1;
            return;
        };
        running.answered += 1;
        let latency = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        if running.latencies.is_none() {
            running.latencies = Histogram::new_with_max(LATENCY_MAX_US, DIGITS).ok();
        }
        if let Some(latencies) = &mut running.latencies {
            latencies.saturating_record(latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_a_text_runs_from_when_it_was_due() {
        let clocks = Clocks::default();
        let due = Instant::now();
        // The load is held up, and the text leaves late.
        tokio::time::advance(Duration::from_millis(300)).await;
        let number = clocks.start(due, None);
        tokio::time::advance(Duration::from_millis(200)).await;
        clocks.stop(&number.to_string());
        let running = clocks.lock();
        let latency = Latency::of(running.latencies.as_ref().unwrap());
        assert!((latency.p50_ms - 500.0).abs() < 1.0, "{latency:?}");
        assert_eq!((running.begun, running.answered, running.open.len()), (1, 1, 0));
    }

    #[test]
    fn every_reply_counts_once_and_one_too_many_is_told() {
        let clocks = Clocks::default();
        for _ in 0..3 {
            clocks.start(Instant::now(), None);
        }
        for text in ["0", "0", "7", "who is there?"] {
            clocks.stop(text);
        }
        clocks.refuse(1);
        let running = clocks.lock();
        assert_eq!((running.begun, running.answered, running.repeated, running.refused), (3, 1, 3, 1));
        assert_eq!(running.open.keys().collect::<Vec<_>>(), [&2], "a text without a reply is lost");
    }

    #[test]
    fn a_reply_gives_its_turn_back() {
        let (clocks, turns) = (Clocks::default(), Arc::new(Semaphore::new(1)));
        let turn = Arc::clone(&turns).try_acquire_owned().unwrap();
        let number = clocks.start(Instant::now(), Some(turn));
        assert_eq!(turns.available_permits(), 0);
        clocks.stop(&number.to_string());
        assert_eq!(turns.available_permits(), 1);
    }
}
