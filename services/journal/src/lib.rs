//! Keeps every event, and account of every text and every message; and finds what is missing.
//!
//! ```text
//! journal.events ──► Events ──┐            ┌─► store::Journal: every event, and the log of texts and messages
//! journal.dead   ──► Dead   ──┴─► Keeper ──┤
//!                                          └─► store::Accounts ──► the account ──┐
//! router's queues, the lanes, the waiting levels ─► depths ──────────────────────┴─► balance: what is where it can be
//!                                                     └──► backlog: the same, as metrics
//! ```
//!
//! Invariant: an event is on record, with what it says, before it is acknowledged, and recording it again changes
//! nothing. So every event is kept and counts once, in whatever order and however often it comes.

mod backlog;
pub mod balance;
mod config;
mod entry;
mod facts;
mod keeper;
mod observe;
mod pace;
mod told;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use messaging::{BoxFuture, Context, Delivery, Environment, Witness};
use protocol::Timestamp;
use store::{LedgerError, Opened};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use backlog::backlog;
pub use config::Config;
use facts::Noted;
pub use keeper::Keeper;
use keeper::Note;

/// How often the account is told as metrics.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// After it was drawn it is left alone for so many times as long as that took, at least: the database has more to do.
const REST: u32 = 20;

/// How often, and how many at once, entries are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(5);
const FORGET_MAX: u32 = 5000;

/// How many events are: each of them goes with its words and its line of the log, and claims of messages wait meanwhile.
const FORGET_EVENTS_MAX: u32 = 200;

/// How many notes may wait to be written, besides those that deliveries wait for.
const NOTES_MAX: usize = 1024;

/// Takes note of every event.
pub struct Events(Notes);

/// Takes note of every dead letter.
pub struct Dead(Notes);

/// The way to the keeper.
#[derive(Clone)]
struct Notes(mpsc::Sender<Note>);

/// The witnesses of the two records, and the keeper that writes what they note. It runs for as long as they are there.
#[must_use]
pub fn witnesses(database: &Opened, environment: Environment) -> (Events, Dead, Keeper) {
    let (notes, noted) = mpsc::channel(NOTES_MAX);
    let notes = Notes(notes);
    (Events(notes.clone()), Dead(notes), Keeper::new(noted, Arc::new(database.clone()), environment))
}

impl Notes {
    /// Returns once it is on record.
    async fn keep(&self, delivery: &Delivery, noted: Noted) {
        if noted.facts.is_none() {
            observe::unreadable(delivery);
        }
        if noted == Noted::default() {
            return;
        }
        let (kept, on_record) = oneshot::channel();
        let gone = self.0.send(Note { noted, kept }).await.is_err() || on_record.await.is_err();
        if gone {
            // Without a keeper nothing may be acknowledged; the process ends, and the delivery comes again.
            std::future::pending::<()>().await;
        }
    }
}

impl Witness for Events {
    async fn note(&self, delivery: &Delivery, context: &Context) {
        let noted = facts::of_event(delivery, context.environment.now());
        self.0.keep(delivery, noted).await;
    }
}

impl Witness for Dead {
    async fn note(&self, delivery: &Delivery, context: &Context) {
        if !context.redelivered {
            observe::dead_letter(delivery);
        }
        let noted = facts::of_dead_letter(delivery, context.environment.now());
        self.0.keep(delivery, noted).await;
    }
}

/// Tells the account, and how much is kept, as metrics, until shutdown is requested.
pub async fn tell(database: Opened, environment: Environment, shutdown: CancellationToken) {
    let Opened { accounts, journal, .. } = database;
    loop {
        let began = Instant::now();
        // What is old in it is no part of the metrics.
        match tokio::try_join!(accounts.account(Timestamp::UNIX_EPOCH), journal.size()) {
            Ok((account, size)) => {
                observe::account(&account);
                observe::size(&size, environment.now());
            }
            Err(error) => observe::not_drawn(&error),
        }
        let rest = began.elapsed().saturating_mul(REST).max(TELL_EVERY);
        if shutdown.run_until_cancelled(environment.clock.sleep(rest)).await.is_none() {
            return;
        }
    }
}

/// For how long, and how much, is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// How long events are, and most entries of the account after something was seen of them last, once
    /// they ended.
    pub usual: Duration,
    /// The same, of entries that a replay may still give another end: for as long as one may be sent.
    pub replayable: Duration,
    /// How many bytes of events.
    pub bytes_max: u64,
}

/// Forgets events that are old or too many, and what ended long ago, which goes on counting. Until shutdown is requested.
pub async fn forget(database: Opened, retention: Retention, environment: Environment, shutdown: CancellationToken) {
    let Opened { accounts, journal, .. } = database;
    while shutdown.run_until_cancelled(environment.clock.sleep(FORGET_EVERY)).await.is_some() {
        let now = environment.now();
        let Retention { usual, replayable, bytes_max } = retention;
        let (Ok(usual), Ok(replayable)) = (now.checked_sub(usual), now.checked_sub(replayable)) else { continue };
        forget_all(&shutdown, &environment, FORGET_MAX, |max| accounts.forget(usual, replayable, max)).await;
        let forget = |max| journal.forget_events(usual, bytes_max, max);
        let forgotten = forget_all(&shutdown, &environment, FORGET_EVENTS_MAX, forget).await;
        observe::forgotten(forgotten);
    }
}

/// Forgets batch after batch: as long as one is full, there is more. Rests for as long as each took, so that half of the
/// database's time is left to others. Says how many were forgotten.
async fn forget_all<'a>(
    shutdown: &CancellationToken,
    environment: &Environment,
    max: u32,
    forget: impl Fn(u32) -> BoxFuture<'a, Result<u64, LedgerError>>,
) -> u64 {
    let mut all = 0;
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        match forget(max).await {
            Ok(forgotten) => {
                all += forgotten;
                if forgotten < u64::from(max) {
                    break;
                }
            }
            Err(error) => {
                observe::not_drawn(&error);
                break;
            }
        }
        environment.clock.sleep(began.elapsed()).await;
    }
    all
}
