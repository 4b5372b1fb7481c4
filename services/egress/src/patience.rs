//! Waits for a ledger that is away: what is in hand stays there, and does not use up its attempts.

use std::time::Duration;

use messaging::Environment;
use store::{BoxFuture, LedgerError};

/// How long between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// The answer of the ledger, however long it is away. At the end of a stop the message goes back to the bus.
///
/// # Errors
/// What waiting does not mend.
pub(crate) async fn answer<'a, T>(
    environment: &Environment,
    ask: impl Fn() -> BoxFuture<'a, Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    loop {
        match ask().await {
            // Whoever watches the ledger says so, once; each message need not.
            Err(error) if error.is_away() => environment.clock.sleep(PAUSE).await,
            answered => return answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A ledger that gives these errors, one after the other, and then an answer.
    async fn check(errors: &[LedgerError], asked: usize) -> Result<&'static str, LedgerError> {
        let count = AtomicUsize::new(0);
        let environment = Environment::system();
        let answered = answer(&environment, || {
            let error = errors.get(count.fetch_add(1, Ordering::Relaxed)).cloned();
            Box::pin(async move { error.map_or(Ok("answer"), Err) })
        });
        let answered = answered.await;
        assert_eq!(count.into_inner(), asked);
        answered
    }

    #[tokio::test]
    async fn what_passes_is_waited_for_and_what_stays_is_told() {
        let cause = || Arc::new(io::Error::other("a cause"));
        let away = [LedgerError::Unavailable(cause()), LedgerError::Denied(cause())];
        assert_eq!(check(&away, 3).await.unwrap(), "answer");
        let damaged = [LedgerError::Unreadable(cause()), LedgerError::Unavailable(cause())];
        assert!(matches!(check(&damaged, 1).await, Err(LedgerError::Unreadable(_))));
        assert!(matches!(check(&[LedgerError::Corrupt(cause())], 1).await, Err(LedgerError::Corrupt(_))));
    }
}
