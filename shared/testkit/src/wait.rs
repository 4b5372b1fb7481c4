//! Waiting for a condition, with a deadline.

use std::time::Duration;

use parts::holds_within;

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the text says `what` was awaited.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(deadline, condition), "waited {deadline:?} in vain: {what}");
}
