//! What can go wrong with a ledger, by what is to be done about it.

use std::error::Error;
use std::sync::Arc;

/// What the database said. Shared, because one failed commit fails all that were waiting for it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why the ledger gave no answer. Whatever was asked may have been done; to ask again is always safe. Nothing may be
/// released without an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The database is away, busy or full: try again later.
    #[error("release ledger is not available")]
    Unavailable(#[source] Cause),
    /// The database does not let us in, or is not to be trusted: a person mends the login, a right, or a certificate, and
    /// what waits goes on.
    #[error("release ledger refuses access")]
    Denied(#[source] Cause),
    /// The database is damaged, or its tables are not those of tropomq: a person must look.
    #[error("release ledger is damaged, or not of the expected form")]
    Corrupt(#[source] Cause),
    /// What is on record of one message cannot be understood, and the others are none the worse for it.
    #[error("a row of the release ledger is not of the expected form")]
    Unreadable(#[source] Cause),
}

impl LedgerError {
    pub(crate) fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(cause))
    }

    pub(crate) fn denied(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Denied(Arc::new(cause))
    }

    pub(crate) fn unreadable(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Unreadable(Arc::new(cause))
    }

    /// Whether it passes by itself or once somebody has mended something outside: to wait is all that is left to do.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Denied(_) => true,
            Self::Corrupt(_) | Self::Unreadable(_) => false,
        }
    }

    /// Whether the database is well, and only what was looked for took too long: less is to be looked through.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::Unavailable(cause) if matches!(cause.downcast_ref(), Some(Fault::TooMuch)))
    }

    /// Whether it concerns whoever asked, and nobody who shares a transaction with them.
    pub(crate) fn is_of_one(&self) -> bool {
        match self {
            Self::Unavailable(cause) => {
                matches!(cause.downcast_ref(), Some(Fault::TooLate | Fault::Changed | Fault::TooMuch))
            }
            Self::Denied(_) => false,
            Self::Corrupt(_) | Self::Unreadable(_) => true,
        }
    }

    pub(crate) fn corrupt(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Corrupt(Arc::new(cause))
    }
}

/// Why a ledger was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no ledger. It is not quoted, because it may hold a password.
    #[error("ledger URL must be sqlite:PATH or postgres://user:password@host/database")]
    Url,
    /// A newer version of tropomq made it, and took away what this one needs.
    #[error(
        "ledger has schema version {found}, with which this version of tropomq, made for {known}, does not work any \
         more: upgrade tropomq first"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// An older version of tropomq wrote it, and whoever opens it is not to change that.
    #[error(
        "ledger has schema version {found}, older than {known}: start the new `tropomq egress`, `tropomq router` or \
         `tropomq journal` first, which brings it up to date"
    )]
    Older {
        /// Its version; 0 if there is no ledger yet.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The database cannot hold every text.
    #[error(
        "the database has the encoding {found}, in which not every text can be written: make another with \
         `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`, and take along what is in this one, while nothing else \
         works with it: `pg_dump OLD | psql --set ON_ERROR_STOP=1 NEW`"
    )]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// An older version of tropomq wrote it, and it could not be brought up to date in time.
    #[error(
        "ledger could not be brought from schema version {found} to {known} within {within:?}, and is as it was: end \
         what else holds its tables (pg_stat_activity tells), or give the server more room, and start again"
    )]
    TooLong {
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
        /// The time that it had.
        within: std::time::Duration,
        /// How it ended.
        source: LedgerError,
    },
    /// The database did not answer, or not as it should.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Something that no database error stands for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the database takes no writes: it is a standby, or read-only")]
    ReadOnly,
    #[error("no answer within {0:?}")]
    TimedOut(std::time::Duration),
    #[error("the database has been silent, and is asked by one at a time until it answers")]
    Mute,
    #[error("too much fits what is looked for")]
    TooMuch,
    #[error("too many look for words at this moment")]
    Searched,
    #[error("whoever claims the message would not wait for the answer")]
    TooLate,
    #[error("the thread that writes the ledger has ended")]
    WriterEnded,
    #[error("the transaction was rolled back")]
    RolledBack,
    #[error("the message was forgotten or reopened by another in the same moment")]
    Changed,
    #[error("an unknown value in the column {0}")]
    Unknown(&'static str),
    #[error("a row lacks what its state requires")]
    Incomplete,
    #[error("a command that was kept cannot be read")]
    Command,
    #[error("journal mode is {0}, not wal")]
    JournalMode(String),
}
