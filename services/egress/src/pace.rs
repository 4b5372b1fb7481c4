//! The pace of a lane with a rate: one launch after the other, evenly, and the messages of a number in their order.

use std::time::Duration;

use messaging::{Environment, Turns};
use protocol::{Address, Timestamp};
use tokio::sync::Mutex;

/// How far ahead a lane takes messages: what waits for its moment here is neither with another replica nor back on the
/// queue, so it is little.
const AHEAD: Duration = Duration::from_secs(5);

/// Lets one launch begin at a time, an interval after the last.
///
/// Waiting is fair, so launches begin in the order in which they were asked for; and who stops waiting takes nothing
/// with it.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    last: Mutex<Option<Timestamp>>,
    /// A person's turn: until it is dropped, no other message of this lane to the same person is under way. To be taken
    /// before anything else is waited for, so that the order is that of the queue.
    pub(crate) people: Turns<Address>,
}

impl Pace {
    /// `rate`: launches a second.
    pub(crate) fn new(rate: f64) -> Self {
        // A rate that is too low for any interval is one launch in the longest there is.
        let interval = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        Self { interval, last: Mutex::default(), people: Turns::default() }
    }

    /// How many messages a lane of this rate may hold, at most `prefetch`.
    pub(crate) fn prefetch(rate: f64, prefetch: u16) -> u16 {
        let ahead = (rate * AHEAD.as_secs_f64()).ceil().clamp(1.0, f64::from(prefetch));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a u16")]
        let ahead = ahead as u16;
        ahead
    }

    /// Waits for the next moment.
    ///
    /// # Cancel safety
    /// Safe: a moment that was not waited for to its end stays free.
    pub(crate) async fn wait(&self, environment: &Environment) {
        let mut last = self.last.lock().await;
        if let Some(last) = *last {
            let passed = environment.now().duration_since(last);
            // A clock that was set back has no moment to offer but one interval from now.
            let passed = Duration::try_from(passed).unwrap_or_default();
            environment.clock.sleep(self.interval.saturating_sub(passed)).await;
        }
        *last = Some(environment.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_no_more_than_it_can_launch_soon() {
        for (rate, expected) in [(0.01, 1), (1.0, 5), (0.3, 2), (30.0, 150), (1e9, 256)] {
            assert_eq!(Pace::prefetch(rate, 256), expected, "{rate}");
        }
        Pace::new(1e-300);
    }

    #[tokio::test(start_paused = true)]
    async fn launches_are_an_interval_apart_and_who_gives_up_takes_no_moment() {
        let (pace, environment) = (Pace::new(10.0), clock::environment());
        let began = tokio::time::Instant::now();
        pace.wait(&environment).await;
        assert_eq!(began.elapsed().as_millis(), 0);
        drop(tokio::time::timeout(Duration::from_millis(50), pace.wait(&environment)).await);
        for expected in [100, 200, 300] {
            pace.wait(&environment).await;
            assert_eq!(began.elapsed().as_millis(), expected);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        pace.wait(&environment).await;
        pace.wait(&environment).await;
        assert_eq!(began.elapsed().as_millis(), 60_400, "idle time is not saved up");
    }

    /// The clock of tokio's paused time.
    mod clock {
        use std::sync::Arc;

        use messaging::{BoxFuture, Clock};

        use super::*;

        #[derive(Debug)]
        struct Paused(tokio::time::Instant);

        impl Clock for Paused {
            fn now(&self) -> Timestamp {
                Timestamp::UNIX_EPOCH.checked_add(self.0.elapsed()).unwrap()
            }

            fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
                Box::pin(tokio::time::sleep(duration))
            }
        }

        pub(super) fn environment() -> Environment {
            Environment { clock: Arc::new(Paused(tokio::time::Instant::now())), ..Environment::system() }
        }
    }
}
