//! The rate of a lane: one message after the other, evenly.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use messaging::Environment;
use protocol::Timestamp;

/// Hands out moments at least an interval apart.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    next: Mutex<Option<Timestamp>>,
}

impl Pace {
    /// `rate`: moments a second.
    pub(crate) fn new(rate: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / rate), next: Mutex::new(None) }
    }

    /// Waits for the next moment that nobody else was given.
    pub(crate) async fn wait(&self, environment: &Environment) {
        let now = environment.now();
        let wait = self.reserve(now).duration_since(now);
        if let Ok(wait) = Duration::try_from(wait) {
            environment.clock.sleep(wait).await;
        }
    }

    fn reserve(&self, now: Timestamp) -> Timestamp {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = next.map_or(now, |next| next.max(now));
        *next = Some(moment.checked_add(self.interval).unwrap_or(moment));
        moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_an_interval_apart_and_idle_time_is_not_saved_up() {
        let pace = Pace::new(10.0);
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let given: Vec<i64> =
            [0, 0, 0, 150, 1000, 1000].map(|now| pace.reserve(at(now)).as_millisecond()).into_iter().collect();
        assert_eq!(given, [0, 100, 200, 300, 1000, 1100]);
    }
}
