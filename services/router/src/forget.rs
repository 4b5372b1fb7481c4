//! Forgets what is remembered of people who did not text for long, and what no text that may still come needs.

use std::sync::Arc;
use std::time::Duration;

use messaging::Environment;
use protocol::topology::JOURNAL_AGE_MAX;
use store::Memories;
use tokio_util::sync::CancellationToken;

use crate::observe;

/// How often, and how many at once.
const INTERVAL: Duration = Duration::from_mins(1);
const BATCH_MAX: u32 = 1000;

/// How long it is on record what a text was answered with. No queue holds a text for longer, unless it is dead; and a
/// text that died has no record.
const RECORD: Duration = JOURNAL_AGE_MAX;

/// Forgets until shutdown is requested: what was not changed for `retention`, and older records.
pub async fn forget(
    memories: Arc<dyn Memories>,
    retention: Duration,
    environment: Environment,
    shutdown: CancellationToken,
) {
    while shutdown.run_until_cancelled(environment.clock.sleep(INTERVAL)).await.is_some() {
        let now = environment.now();
        let (Ok(kept), Ok(changed)) = (now.checked_sub(RECORD), now.checked_sub(retention)) else { continue };
        // As long as a batch is full, there is more.
        while !shutdown.is_cancelled() {
            match memories.forget_records(kept, changed, BATCH_MAX).await {
                Ok(forgotten) if u64::from(BATCH_MAX) <= forgotten => {}
                Ok(_) => break,
                Err(error) => {
                    observe::not_forgotten(&error);
                    break;
                }
            }
        }
    }
}
