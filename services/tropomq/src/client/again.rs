//! Asks again, where what was in the way may pass.

use std::time::Duration;

use super::ApiError;

/// The pauses before it is asked again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// Asks, and asks a few times more while `is_passing` says of the answer that what was in the way may pass. For what may
/// be asked for again: it is done once.
///
/// # Errors
/// As the last answer.
pub(crate) async fn again<T>(
    ask: impl AsyncFn() -> Result<T, ApiError>,
    is_passing: impl Fn(&Result<T, ApiError>) -> bool,
) -> Result<T, ApiError> {
    for pause in PAUSES {
        let answered = ask().await;
        if !is_passing(&answered) {
            return answered;
        }
        tokio::time::sleep(pause).await;
    }
    ask().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Asks what answers 1, 2, 3 …, and returns what it ended with.
    async fn asked_until(enough: u32) -> u32 {
        let answers = Cell::new(0);
        let ask = async || {
            answers.set(answers.get() + 1);
            Ok(answers.get())
        };
        again(ask, |answered| matches!(answered, Ok(answer) if *answer < enough)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_asked_for_a_few_times_more() {
        assert_eq!(asked_until(1).await, 1);
        assert_eq!(asked_until(3).await, 3);
        assert_eq!(asked_until(100).await, 4);
    }
}
