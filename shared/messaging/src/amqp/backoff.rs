//! How long to wait before the broker is tried again.

use std::sync::Arc;
use std::time::Duration;

use crate::{Chance, Environment};

const FIRST: Duration = Duration::from_millis(200);
/// However long the broker was away, its return is noticed within this.
const LONGEST: Duration = Duration::from_secs(1);
/// A connection that stood this long was of use.
const SERVED: Duration = Duration::from_secs(5);

/// Doubles from [`FIRST`] to [`LONGEST`], each wait with jitter: processes that lost one broker together must not all
/// come back to it at the same moment.
pub(super) struct Backoff {
    next: Duration,
    chance: Arc<dyn Chance>,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST, chance: Environment::system().chance }
    }

    /// The next wait: from half the backoff to the whole.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.5 + 0.5 * self.chance.unit());
        self.next = (self.next * 2).min(LONGEST);
        wait
    }

    /// Begins again, if the connection was of use: one that breaks as soon as it stands must not be tried forever
    /// without a pause.
    pub(super) fn served(&mut self, time: Duration) {
        if SERVED <= time {
            self.next = FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_until_a_connection_was_of_use() {
        let mut backoff = Backoff::new();
        for whole_ms in [200, 400, 800, 1000, 1000] {
            let (whole, wait) = (Duration::from_millis(whole_ms), backoff.next());
            assert!(whole / 2 <= wait && wait <= whole, "{whole:?}: {wait:?}");
        }
        backoff.served(Duration::from_secs(1));
        assert!(FIRST < backoff.next());
        backoff.served(SERVED);
        assert!(backoff.next() <= FIRST);
    }
}
