//! How long a message waits before it is tried again.

use std::time::Duration;

use crate::Chance;

/// Exponential backoff with jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    /// The wait after the first attempt; it doubles with each.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// After so many attempts a message is dead; `None` where something else ends it, such as its time to live.
    pub attempts_max: Option<u32>,
}

impl RetryPolicy {
    /// The wait after the `attempt`th attempt (from 1) failed: between three quarters of the backoff and the whole,
    /// so that what failed together does not come back together. Never shorter than `at_least`.
    ///
    /// `None` when that was the last attempt.
    #[must_use]
    pub fn delay(&self, attempt: u32, at_least: Option<Duration>, chance: &dyn Chance) -> Option<Duration> {
        if self.attempts_max.is_some_and(|attempts_max| attempts_max <= attempt) {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let backoff = self.first.saturating_mul(1 << doublings).min(self.longest);
        let jittered = backoff.mul_f64(0.75 + 0.25 * chance.unit());
        Some(at_least.unwrap_or_default().max(jittered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    const POLICY: RetryPolicy =
        RetryPolicy { first: Duration::from_secs(1), longest: Duration::from_secs(30), attempts_max: Some(8) };

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_then_ends() {
        let chance = Environment::system().chance;
        for (attempt, whole) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (7, 30)] {
            let whole = Duration::from_secs(whole);
            let delay = POLICY.delay(attempt, None, &*chance).unwrap();
            assert!(whole.mul_f64(0.75) <= delay && delay <= whole, "{attempt}: {delay:?}");
        }
        assert_eq!(POLICY.delay(8, None, &*chance), None);
        assert!(RetryPolicy { attempts_max: None, ..POLICY }.delay(u32::MAX, None, &*chance).is_some());
    }

    #[test]
    fn what_the_other_side_asks_for_is_the_least() {
        let chance = Environment::system().chance;
        let asked = Duration::from_secs(77);
        assert_eq!(POLICY.delay(1, Some(asked), &*chance), Some(asked));
    }
}
