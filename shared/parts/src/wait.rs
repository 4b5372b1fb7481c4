//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether `condition` comes to hold within `deadline`. It is looked at once at least.
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if deadline <= started.elapsed() {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_awaited_until_its_deadline_only() {
        let mut looks = 0;
        assert!(holds_within(Duration::from_secs(10), || {
            looks += 1;
            looks == 3
        }));
        assert!(!holds_within(Duration::ZERO, || false));
        assert!(holds_within(Duration::ZERO, || true));
    }
}
