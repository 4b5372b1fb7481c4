//! What everything in a run shares: time, chance, faults, tasks, and the record of what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::tasks::Crowd;
use messaging::{BoxFuture, Clock, Environment};
use protocol::{Address, BackendName, Timestamp};
use tokio::time::Instant;

use crate::planted::Plant;
use crate::seed::{Dice, Faults};

/// When every run begins: 2026-03-01T00:00:00Z, in milliseconds since 1970.
const EPOCH_MS: i64 = 1_772_323_200_000;

/// How far the clock of a process may be ahead.
const SKEW_MS_MAX: u64 = 2000;

/// What everything in a run shares.
pub(crate) struct World {
    pub(crate) dice: Arc<Dice>,
    pub(crate) faults: Faults,
    pub(crate) plant: Plant,
    began: Instant,
    calm: AtomicBool,
    tasks: Crowd,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    trace: Vec<String>,
    violations: Vec<String>,
    /// What went wrong on the way between Tropo and the document of a session, or of its result.
    troubled: BTreeMap<String, Vec<String>>,
    /// Who opted out.
    out: BTreeSet<(BackendName, Address)>,
}

/// Locks what only one thread uses.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(seed: u64, plant: Plant) -> Arc<Self> {
        let dice = Arc::new(Dice::new(seed));
        let faults = Faults::draw(&dice);
        let (tasks, record) = (Crowd::default(), Mutex::default());
        Arc::new(Self { dice, faults, plant, began: Instant::now(), calm: AtomicBool::new(false), tasks, record })
    }

    /// Whether a fault of this probability happens now. None does once the world is calm.
    pub(crate) fn hit(&self, probability: f64) -> bool {
        !self.is_calm() && self.dice.falls(probability)
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Ends all faults.
    pub(crate) fn calm_down(&self) {
        self.note(format_args!("-- no more faults"));
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Starts what goes on by itself until the run ends.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(future);
    }

    /// The time that something takes on its way.
    pub(crate) async fn travel(&self) {
        let longest = if self.hit(self.faults.slow) { 4000 } else { 20 };
        self.rest(longest).await;
    }

    /// At most so many milliseconds.
    pub(crate) async fn rest(&self, longest_ms: u64) {
        tokio::time::sleep(self.dice.up_to_ms(longest_ms)).await;
    }

    /// Clock and chance of one process.
    pub(crate) fn environment(&self) -> Environment {
        let clock = ModelClock { began: self.began, ahead: self.dice.up_to_ms(SKEW_MS_MAX) };
        Environment { clock: Arc::new(clock), chance: Arc::clone(&self.dice) as Arc<dyn messaging::Chance> }
    }

    /// Now, by the right time.
    pub(crate) fn now(&self) -> Timestamp {
        ModelClock { began: self.began, ahead: Duration::ZERO }.now()
    }

    /// Writes a line into the trace.
    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        let at = self.began.elapsed().as_millis();
        lock(&self.record).trace.push(format!("{:>4}.{:03} {line}", at / 1000, at % 1000));
    }

    /// Says that something is wrong.
    pub(crate) fn violation(&self, what: String) {
        self.note(format_args!("VIOLATION: {what}"));
        lock(&self.record).violations.push(what);
    }

    /// Says that the model did something to a session of Tropo's that excuses a missing document or result.
    pub(crate) fn trouble(&self, session: &str, what: &str) {
        self.note(format_args!("trouble for session {session}: {what}"));
        lock(&self.record).troubled.entry(session.to_owned()).or_default().push(what.to_owned());
    }

    pub(crate) fn is_troubled(&self, session: &str) -> bool {
        lock(&self.record).troubled.contains_key(session)
    }

    /// A person opts out from now on.
    pub(crate) fn opts_out(&self, backend: BackendName, person: Address) {
        self.note(format_args!("{person:?} opts out of {backend}"));
        lock(&self.record).out.insert((backend, person));
    }

    pub(crate) fn is_out(&self, backend: &BackendName, person: &Address) -> bool {
        lock(&self.record).out.contains(&(backend.clone(), person.clone()))
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        lock(&self.record).violations.clone()
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.record).trace)
    }
}

/// A clock of tokio's paused time.
#[derive(Debug)]
struct ModelClock {
    began: Instant,
    ahead: Duration,
}

impl Clock for ModelClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from((self.began.elapsed() + self.ahead).as_millis()).unwrap();
        Timestamp::from_millisecond(EPOCH_MS + millis).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
