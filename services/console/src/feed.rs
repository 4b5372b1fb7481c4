//! The journal as it grows, for those who watch: read once for all of them.

use std::time::Duration;

use store::Numbered;
use tokio::sync::broadcast;

use crate::{Console, observe};

/// How often the journal is asked for what is new.
const INTERVAL: Duration = Duration::from_millis(250);

/// How many events are read at once.
const BATCH: u32 = 500;

/// How many events somebody who watches may be behind, before some are missing.
const BEHIND_MAX: usize = 2048;

/// What is new, for whoever watches.
pub(crate) struct Feed(broadcast::Sender<Numbered>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND_MAX))
    }
}

impl Feed {
    /// What is new from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Numbered> {
        self.0.subscribe()
    }
}

/// Passes on what is new while somebody watches.
pub(crate) async fn follow(console: &Console) {
    let Console { feed: Feed(new), environment, database, .. } = console;
    let mut read_up_to = None;
    loop {
        environment.clock.sleep(INTERVAL).await;
        let Some(opened) = database.get() else { continue };
        if new.receiver_count() == 0 {
            read_up_to = None;
            continue;
        }
        let read = async {
            let after = match read_up_to {
                Some(number) => number,
                None => opened.journal.last_number().await?,
            };
            Ok((after, opened.journal.events_after(after, BATCH).await?))
        };
        match read.await {
            Ok((after, events)) => {
                read_up_to = Some(events.last().map_or(after, |last| last.number));
                // Whoever stopped watching meanwhile gets nothing.
                events.into_iter().for_each(|event| drop(new.send(event)));
            }
            Err(error) => observe::not_followed(&error),
        }
    }
}
