//! Where a test keeps its ledger, and what it puts there.

use protocol::{Address, BackendName, EventId, MessageSend, Network, SessionId, Timestamp};
use store::{Choice, Claim, ConsentChange, GiveUp, Ledger, Opened, Overdue, Release, Settings, Why};
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

    /// Runs SQL; the first column of the first row, if there is one.
    pub(crate) fn execute(&self, sql: &str) -> Option<i64> {
        match self {
            Self::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.url().strip_prefix("sqlite:").unwrap()).unwrap();
                if sql.starts_with("SELECT") {
                    return Some(connection.query_row(sql, [], |row| row.get(0)).unwrap());
                }
                connection.execute_batch(sql).unwrap();
                None
            }
            Self::Postgres(database) => database.execute(sql).unwrap().trim().parse().ok(),
        }
    }

    /// The same, made, and added to by a newer version.
    pub(crate) async fn added_to(self) -> Self {
        drop(open_all(&self).await);
        self.add();
        self
    }

    /// Does what the steps of a newer version may do while older processes run: each table gets columns and an index, and
    /// there is another table. Who works with the old ones works with these.
    pub(crate) fn add(&self) {
        match self {
            Self::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.url().strip_prefix("sqlite:").unwrap()).unwrap();
                let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%' \
                              AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'journal_words%' ORDER BY name";
                let mut tables = connection.prepare(tables).unwrap();
                let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
                assert!(10 < tables.len(), "{tables:?}");
                for table in tables {
                    let sql = format!(
                        "ALTER TABLE {table} ADD COLUMN added_text TEXT;
                         ALTER TABLE {table} ADD COLUMN added_count INTEGER NOT NULL DEFAULT 7;
                         CREATE INDEX {table}_added ON {table} (added_count)"
                    );
                    connection.execute_batch(&sql).unwrap();
                }
                connection.execute_batch("CREATE TABLE added (id BLOB); PRAGMA user_version = 99").unwrap();
            }
            Self::Postgres(database) => {
                let sql = "DO $$
                    DECLARE name text;
                    BEGIN
                        FOR name IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' LOOP
                            EXECUTE format('ALTER TABLE %I ADD COLUMN added_text text', name);
                            EXECUTE format('ALTER TABLE %I ADD COLUMN added_count bigint NOT NULL DEFAULT 7', name);
                            EXECUTE format('CREATE INDEX ON %I (added_count)', name);
                        END LOOP;
                    END $$;
                    CREATE TABLE added (id uuid);
                    UPDATE ledger_schema SET version = 99";
                database.execute(sql).unwrap();
            }
        }
    }

    /// The folder in which the file will be does not exist yet: opening makes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}/made/ledger.db", folder.path().display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }
}

/// All that is kept there.
pub(crate) async fn open_all(place: &Place) -> Opened {
    store::open_all(&place.url(), Settings::default()).await.unwrap()
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

pub(crate) fn person(number: &str) -> Address {
    number.parse().unwrap()
}

/// What a person of backend b texted at that second.
pub(crate) fn choice(number: &str, choice: Choice, at: i64) -> ConsentChange {
    ConsentChange {
        cause: message(),
        backend: backend("b"),
        person: person(number),
        choice: Some(choice),
        word: choice.as_str().to_owned(),
        reply: None,
        at: second(at),
    }
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
        to: person("+15555550177"),
        correlation_id: Some(session("conversation")),
        attempt: 3,
        command: None,
        at,
        until: None,
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
        life: 0,
        released_at: claim.at,
        outcome: None,
        outcome_at: None,
    }
}

/// A command, for backends that send again what stays unconfirmed.
pub(crate) fn command() -> MessageSend {
    MessageSend {
        to: "+15555550177".parse().unwrap(),
        text: "Balance is 12 ✓ \"quoted\"".parse().unwrap(),
        from: Some("12345".parse().unwrap()),
        network: Network::sms(),
        application: None,
        expires_at: Some(second(1000)),
    }
}

/// Giving up a message after its second launch.
pub(crate) fn give_up(message_id: EventId, why: Why, at: Timestamp) -> GiveUp {
    let correlation_id = Some(session("conversation"));
    GiveUp { message_id, backend: backend("b"), correlation_id, attempts: 2, why, at }
}

/// The release, overdue, of a backend that sends nothing again.
pub(crate) fn overdue(release: &Release) -> Overdue {
    Overdue { release: release.clone(), open_since: None, command: None }
}

/// Claims a fresh message for a fresh session, at that second.
pub(crate) async fn released(ledger: &dyn Ledger, at: i64) -> Release {
    let claim = claim(message(), &session(&Uuid::new_v4()), second(at));
    ledger.claim(claim.clone()).await.unwrap();
    release(&claim)
}
