//! Asks again, where what was in the way may pass.

use std::time::Duration;

use super::ApiError;

/// The pauses before it is asked again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// Asks, and asks a few times more while `is_passing` says that what was in the way may pass. For what may be asked for
/// again: it is done once.
///
/// # Errors
/// The last answer.
pub(crate) async fn again<T>(
    ask: impl AsyncFn() -> Result<T, ApiError>,
    is_passing: impl Fn(&ApiError) -> bool,
) -> Result<T, ApiError> {
    for pause in PAUSES {
        match ask().await {
            Err(error) if is_passing(&error) => tokio::time::sleep(pause).await,
            answered => return answered,
        }
    }
    ask().await
}
