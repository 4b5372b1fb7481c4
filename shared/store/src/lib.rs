//! The release ledger, with the record of who may be texted; the record of texts and messages from which an account is
//! drawn; why texts were answered as they were; what applications remember; every event, with a log of texts and messages;
//! and what the console keeps: on SQLite or PostgreSQL.
//!
//! Invariant: a message is released at most once. Whoever is about to hand a message document to a Tropo session
//! claims the message for that session first. A message is claimed for one session and for no second, unless it was
//! opened to one: because its result did not come and its backend is set to send it again then, or because it was given
//! up and an operator replayed it.
//!
//! Invariant: to a person who opted out nothing is released but the answer to their choice. A claim asks for that in its
//! own transaction, so there is no moment between the question and the release.

mod account;
mod accounts;
mod claim;
mod consents;
mod desk;
mod edition;
mod error;
mod filter;
mod journal;
mod ledger;
mod line;
mod location;
mod memory;
mod observe;
mod outcome;
mod postgres;
mod row;
mod sqlite;
mod standing;
mod words;

use std::sync::Arc;

pub use account::{Account, BackendAccount, Standings};
pub use accounts::{Accounts, Entry, Fact, Open};
pub use claim::{Claim, Claimed};
pub use consents::{Choice, Consent, ConsentChange, Consents, HISTORY_MAX};
pub use desk::{Act, Desk, Digest, NumberedAct, Request, Requested, SignedIn};
pub use error::{Cause, LedgerError, OpenError};
pub use journal::{
    Begun, Content, DEAD_LETTER, EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LogFilter,
    LogPage, Logged, Numbered, PAGE_MAX, PersonSought, Tally,
};
pub use ledger::{AllOverdue, BoxFuture, GaveUp, GiveUp, GivenUp, Ledger, Overdue, Record, Release, Settled, Why};
pub use memory::{Change, Keep, Kept, Memories, Memory, MemoryKey, TALLIED_CHARS_MAX, TALLY_MAX};
pub use outcome::{Outcome, UnknownOutcome};
pub use standing::{Mark, Marks, Standing, Subject};

use location::Location;

/// What may be set beside the URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How many connections to PostgreSQL at most.
    pub connections_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections_max: 8 }
    }
}

/// Whether a URL names a ledger, without opening it.
///
/// # Errors
/// [`OpenError::Url`].
pub fn check_url(url: &str) -> Result<(), OpenError> {
    Location::parse(url).map(drop)
}

/// Opens the ledger that a URL names, and brings its schema up to date.
///
/// * `sqlite:PATH`: one file, made with its folder where there is none. For one machine.
/// * `postgres://user:password@host/database?sslmode=…`: for several. `disable` is plain text, `prefer` uses TLS where
///   the server offers it, `require` and `verify-full` insist on it; a server's certificate is always verified against
///   the machine's own roots. Unless said, it is `disable` on this machine, and `prefer` elsewhere.
///
/// # Errors
/// [`OpenError`] says whether the URL, the schema, or the database itself is the trouble. No text of it holds the
/// password.
pub async fn open(url: &str) -> Result<Arc<dyn Ledger>, OpenError> {
    open_with(url, Settings::default()).await
}

/// As [`open`], with other settings.
///
/// # Errors
/// As [`open`].
pub async fn open_with(url: &str, settings: Settings) -> Result<Arc<dyn Ledger>, OpenError> {
    Ok(open_all(url, settings).await?.ledger)
}

/// A database, by what is kept in it. All share its connections.
#[derive(Clone)]
pub struct Opened {
    /// The release ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The record of texts and messages.
    pub accounts: Arc<dyn Accounts>,
    /// What applications remember.
    pub memories: Arc<dyn Memories>,
    /// Who may be texted.
    pub consents: Arc<dyn Consents>,
    /// Every event, and the log of texts and messages.
    pub journal: Arc<dyn Journal>,
    /// What the console keeps.
    pub desk: Arc<dyn Desk>,
}

/// What is done where the schema is older than this version's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Older {
    Upgrade,
    Refuse,
}

/// As [`open_with`], for all that is kept there.
///
/// # Errors
/// As [`open`].
pub async fn open_all(url: &str, settings: Settings) -> Result<Opened, OpenError> {
    open_as(url, settings, Older::Upgrade).await
}

/// As [`open_all`], for whoever only looks: makes nothing, and changes no schema.
///
/// # Errors
/// As [`open`], and [`OpenError::Older`].
pub async fn open_existing(url: &str, settings: Settings) -> Result<Opened, OpenError> {
    open_as(url, settings, Older::Refuse).await
}

async fn open_as(url: &str, settings: Settings, older: Older) -> Result<Opened, OpenError> {
    fn opened<T: Ledger + Accounts + Memories + Consents + Journal + Desk + 'static>(database: T) -> Opened {
        let database = Arc::new(database);
        Opened {
            ledger: Arc::<T>::clone(&database),
            accounts: Arc::<T>::clone(&database),
            memories: Arc::<T>::clone(&database),
            consents: Arc::<T>::clone(&database),
            journal: Arc::<T>::clone(&database),
            desk: database,
        }
    }
    Ok(match Location::parse(url)? {
        Location::Sqlite(path) => opened(sqlite::Sqlite::open(path, older).await?),
        Location::Postgres(config) => opened(postgres::Postgres::open(*config, settings, older).await?),
    })
}
