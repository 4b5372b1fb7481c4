//! One seed: where all chance of a run comes from, and the faults that it draws.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use messaging::Chance;

/// The chance of a run: the same seed gives the same numbers, in the same order.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// The next number (SplitMix64).
    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether a thing of this probability happens.
    pub(crate) fn falls(&self, probability: f64) -> bool {
        0.0 < probability && self.unit() < probability
    }

    /// Between 0 and `longest` milliseconds.
    pub(crate) fn up_to_ms(&self, longest: u64) -> Duration {
        Duration::from_millis(self.below(longest + 1))
    }
}

impl Chance for Dice {
    fn bits(&self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }
}

/// How likely each fault of a run is. In every run about half of them do not happen at all, so that each is met alone
/// and in company.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// The broker refuses a message.
    pub(crate) refused: f64,
    /// The broker keeps a message, and its confirm is lost.
    pub(crate) confirm_lost: f64,
    /// The broker keeps a message twice.
    pub(crate) kept_twice: f64,
    /// An acknowledgement takes its time, and the connection may be lost meanwhile.
    pub(crate) slow_ack: f64,
    /// Between two troubles of the broker as a whole: a lost connection, a restart, an alarm.
    pub(crate) broker_trouble: f64,
    /// Anything on its way takes long.
    pub(crate) slow: f64,
    /// A request is lost on its way; so is an answer.
    pub(crate) request_lost: f64,
    pub(crate) answer_lost: f64,
    /// What is between Tropo and ingress posts a webhook twice.
    pub(crate) posted_twice: f64,
    /// The ledger does not answer: nothing was done; so it is when something was.
    pub(crate) ledger_away: f64,
    pub(crate) ledger_answer_lost: f64,
    /// Tropo's answers to a request for a session.
    pub(crate) create_throttled: f64,
    pub(crate) create_failed: f64,
    pub(crate) create_rejected: f64,
    pub(crate) create_answer_lost: f64,
    /// A session that never calls back; one that takes very long to.
    pub(crate) no_call_back: f64,
    pub(crate) late_call_back: f64,
    /// A session that cannot send what it was given.
    pub(crate) incomplete: f64,
    /// A result that is never posted.
    pub(crate) no_result: f64,
    /// A process dies after some steps; after some time; or is asked to stop.
    pub(crate) crash_by_step: f64,
    pub(crate) crash_by_time: f64,
    pub(crate) stop: f64,
}

impl Faults {
    pub(crate) fn draw(dice: &Dice) -> Self {
        let draw = |levels: [f64; 3]| {
            let level = usize::try_from(dice.below(6)).unwrap_or_default();
            levels.get(level).copied().unwrap_or_default()
        };
        let often = || draw([0.02, 0.1, 0.3]);
        let seldom = || draw([0.01, 0.05, 0.1]);
        Self {
            refused: seldom(),
            confirm_lost: often(),
            kept_twice: often(),
            slow_ack: often(),
            broker_trouble: draw([0.1, 0.3, 0.6]),
            slow: seldom(),
            request_lost: often(),
            answer_lost: often(),
            posted_twice: often(),
            ledger_away: often(),
            ledger_answer_lost: often(),
            create_throttled: often(),
            create_failed: often(),
            create_rejected: seldom(),
            create_answer_lost: often(),
            no_call_back: often(),
            late_call_back: often(),
            incomplete: seldom(),
            no_result: seldom(),
            crash_by_step: draw([0.2, 0.5, 0.9]),
            crash_by_time: draw([0.1, 0.3, 0.6]),
            stop: draw([0.1, 0.3, 0.6]),
        }
    }
}

/// A number from the environment.
///
/// # Panics
/// It is set, and no number.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let written = std::env::var(variable).ok()?;
    Some(written.parse().unwrap_or_else(|_| panic!("{variable} must be a number, and is {written:?}")))
}
