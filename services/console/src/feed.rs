//! The journal as it grows, for those who watch: read once for all of them.
//!
//! Invariant: who watches gets each event once, in the order of the numbers. What is passed on says from which number on it
//! is complete; whoever has read less than that reads on in the journal itself.

mod pulse;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store::{LedgerError, Numbered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::guard::Caller;
use crate::problem::Problem;
use crate::{Console, observe};
pub(crate) use stream::{KEEP_ALIVE, Wish};

/// How often the journal is asked for what is new.
const INTERVAL: Duration = Duration::from_millis(250);

/// The same while it is away, at the longest.
const INTERVAL_MAX: Duration = Duration::from_secs(5);

/// How many events are read at once.
const BATCH: u32 = 100;

/// How many batches somebody who watches may be behind, before they have to read in the journal.
const BATCHES_MAX: usize = 16;

/// How many may watch at once; and how many pages may wait for what is new.
const WATCHERS_MAX: usize = 64;

/// How many of either one user or token has at once, so that nobody has all of them.
const EACH_MAX: usize = 32;

/// What is new, for whoever watches.
pub(crate) struct Feed {
    new: broadcast::Sender<Arc<Batch>>,
    watchers: Places,
    pages: Places,
    /// Nothing more comes.
    over: CancellationToken,
}

/// All events after a number, up to that of the last of them.
pub(crate) struct Batch {
    after: i64,
    events: Vec<Numbered>,
}

impl Default for Feed {
    fn default() -> Self {
        let (watchers, pages) = (Places::default(), Places::default());
        Self { new: broadcast::Sender::new(BATCHES_MAX), watchers, pages, over: CancellationToken::new() }
    }
}

/// The places for those who watch.
struct Places {
    all: Arc<Semaphore>,
    /// Those of each name: there are no more than the configuration has users and tokens.
    of: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// A place among all, and among those of one name.
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_name: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(WATCHERS_MAX)), of: Mutex::default() }
    }
}

impl Places {
    /// A place for somebody.
    ///
    /// # Errors
    /// Too many watch, or too often the same.
    fn take(&self, caller: &Caller) -> Result<Place, Problem> {
        let of_name = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            let of_name = of.entry(caller.name.clone()).or_insert_with(|| Arc::new(Semaphore::new(EACH_MAX)));
            Arc::clone(of_name)
        };
        let taken = of_name
            .try_acquire_owned()
            .and_then(|of_name| Ok(Place { _of_all: Arc::clone(&self.all).try_acquire_owned()?, _of_name: of_name }));
        taken.map_err(|_| Problem::unavailable("too many watch at once: come again later"))
    }
}

/// Passes on what is new while somebody watches, until shutdown is requested.
pub(crate) async fn follow(console: &Console, shutdown: &CancellationToken) {
    shutdown.run_until_cancelled(pass_on(console)).await;
    console.feed.over.cancel();
}

/// How long it is waited between two readings. While the journal is away, ever longer.
struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(INTERVAL)
    }
}

impl Pace {
    /// The journal was read. Says whether it was away before.
    fn was_read(&mut self) -> bool {
        std::mem::take(self).0 != INTERVAL
    }

    /// The journal was not read. Says whether that is new.
    fn was_not_read(&mut self) -> bool {
        let is_new = self.0 == INTERVAL;
        self.0 = (self.0 * 2).min(INTERVAL_MAX);
        is_new
    }
}

async fn pass_on(console: &Console) {
    let Console { feed: Feed { new, .. }, environment, database, .. } = console;
    let (mut read_up_to, mut pace) = (None, Pace::default());
    loop {
        let Some(opened) = database.get().filter(|_| 0 < new.receiver_count()) else {
            read_up_to = None;
            environment.clock.sleep(INTERVAL).await;
            continue;
        };
        let is_first = read_up_to.is_none();
        let read = async {
            let after = match read_up_to {
                Some(number) => number,
                None => opened.journal.last_number().await?,
            };
            Ok::<_, LedgerError>(Batch { after, events: opened.journal.events_after(after, BATCH).await? })
        };
        let is_full = match read.await {
            Ok(batch) => {
                if pace.was_read() {
                    observe::followed_again();
                }
                read_up_to = Some(batch.events.last().map_or(batch.after, |last| last.number));
                let is_full = u32::try_from(batch.events.len()).is_ok_and(|read| BATCH <= read);
                // The first says where it begins, even if nothing is new.
                if is_first || !batch.events.is_empty() {
                    // Whoever stopped watching meanwhile gets nothing.
                    let _ = new.send(Arc::new(batch));
                }
                is_full
            }
            Err(error) => {
                if pace.was_not_read() {
                    observe::not_followed(&error);
                }
                false
            }
        };
        if !is_full {
            environment.clock.sleep(pace.0).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_away_is_asked_ever_less_often_and_told_of_once() {
        let mut pace = Pace::default();
        assert!(!pace.was_read() && pace.was_not_read());
        let later: Vec<_> = (0..6).map(|_| (pace.was_not_read(), pace.0.as_millis())).collect();
        assert_eq!(later, [1000, 2000, 4000, 5000, 5000, 5000].map(|pause| (false, pause)));
        assert!(pace.was_read() && !pace.was_read());
        assert_eq!(pace.0, INTERVAL);
        assert!(pace.was_not_read());
    }
}
