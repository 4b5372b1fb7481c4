//! Forgets what is old on the desk: sessions that ended, and after their time requests and acts.

use std::time::Duration;

use crate::{Console, observe};

/// How often what is old is looked for.
const INTERVAL: Duration = Duration::from_mins(1);

/// How much is forgotten in one transaction.
const BATCH: u32 = 1000;

/// How many of those in a row: others want the database, too.
const BATCHES_MAX: u32 = 20;

/// Forgets, again and again.
pub(crate) async fn forget_all(console: &Console) {
    loop {
        console.environment.clock.sleep(INTERVAL).await;
        for _ in 0..BATCHES_MAX {
            match forget(console).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    observe::not_forgotten(&error);
                    break;
                }
            }
        }
    }
}

/// Forgets a part of what is old; whether there may be more.
async fn forget(console: &Console) -> Result<bool, store::LedgerError> {
    let Console { environment, database, config, .. } = console;
    let (Some(opened), now) = (database.get(), environment.now()) else { return Ok(false) };
    let Ok(before) = now.checked_sub(config.retention) else { return Ok(false) };
    Ok(u64::from(BATCH) <= opened.desk.forget_desk(now, before, BATCH).await?)
}
