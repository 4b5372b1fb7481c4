//! Where a test keeps its ledger, and what it puts there.

use protocol::{BackendName, EventId, SessionId, Timestamp};
use store::{Claim, Ledger, Release};
use tempfile::TempDir;
use testkit::Database;
use uuid::Uuid;

/// A place for one ledger, which goes with the test.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres(Database),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(testkit::database().unwrap_or_else(|error| panic!("{error}")))
    }

    /// The folder in which the file will be does not exist yet: opening makes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}/made/ledger.db", folder.path().display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }
}

pub(crate) fn message() -> EventId {
    EventId::from(Uuid::new_v4())
}

pub(crate) fn session(id: &(impl ToString + ?Sized)) -> SessionId {
    id.to_string().parse().unwrap()
}

pub(crate) fn backend(name: &str) -> BackendName {
    name.parse().unwrap()
}

/// So many seconds after the beginning of the tests' time, in whole microseconds as the ledger keeps it.
pub(crate) fn second(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_123_456 + seconds * 1_000_000).unwrap()
}

pub(crate) fn claim(message_id: EventId, session_id: &SessionId, at: Timestamp) -> Claim {
    Claim {
        message_id,
        session_id: session_id.clone(),
        backend: backend("b"),
        correlation_id: Some(session("conversation")),
        attempt: 3,
        at,
    }
}

/// The release that the claim makes, before its outcome.
pub(crate) fn release(claim: &Claim) -> Release {
    Release {
        message_id: claim.message_id,
        session_id: claim.session_id.clone(),
        backend: claim.backend.clone(),
        correlation_id: claim.correlation_id.clone(),
        attempt: claim.attempt,
        released_at: claim.at,
        outcome: None,
        outcome_at: None,
    }
}

/// Claims a fresh message for a fresh session, at that second.
pub(crate) async fn released(ledger: &dyn Ledger, at: i64) -> Release {
    let claim = claim(message(), &session(&Uuid::new_v4()), second(at));
    ledger.claim(claim.clone()).await.unwrap();
    release(&claim)
}
