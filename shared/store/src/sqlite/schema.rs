//! The tables of the SQLite ledger, and how they came to be.

use rusqlite::{Connection, TransactionBehavior};
use tracing::info;

use super::judge;
use crate::edition::{Edition, KNOWN, WORKS_FROM};
use crate::{LedgerError, OpenError};

/// One step each; the number of those done is the file's `user_version`. Released steps are never changed. How a new one
/// is made: CONTRIBUTING.md, "A step of the schema".
const STEPS: [&str; KNOWN as usize] = [RELEASES, ACCOUNTS, LIVES, LEFT_OVER, PEOPLE, JOURNAL, DESK, EDITION];

const RELEASES: &str = "
    CREATE TABLE ledger_releases (
        message_id     BLOB PRIMARY KEY NOT NULL,
        session_id     TEXT NOT NULL,
        backend        TEXT NOT NULL,
        correlation_id TEXT,
        attempt        INTEGER NOT NULL,
        released_at    INTEGER NOT NULL, -- microseconds since 1970
        outcome        TEXT,
        outcome_at     INTEGER,
        CHECK ((outcome IS NULL) = (outcome_at IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ledger_releases_session ON ledger_releases (backend, session_id);
    CREATE INDEX ledger_releases_open ON ledger_releases (backend, released_at) WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_settled ON ledger_releases (outcome_at) WHERE outcome_at IS NOT NULL;
";

const ACCOUNTS: &str = "
    CREATE TABLE account_entries (
        subject        INTEGER NOT NULL,
        id             BLOB NOT NULL,
        backend        TEXT NOT NULL,
        correlation_id TEXT,
        marks          INTEGER NOT NULL, -- a bit for each thing that was seen of it
        touched_at     INTEGER NOT NULL, -- microseconds since 1970
        PRIMARY KEY (subject, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX account_entries_tally ON account_entries (subject, backend, marks, touched_at);
    CREATE INDEX account_entries_open ON account_entries (subject, touched_at)
        WHERE (marks < 4 OR marks BETWEEN 512 AND 1023);
    CREATE INDEX account_entries_ended ON account_entries (touched_at)
        WHERE NOT (marks < 4 OR marks BETWEEN 512 AND 1023);
    CREATE TABLE account_totals (
        subject INTEGER NOT NULL,
        backend TEXT NOT NULL,
        marks   INTEGER NOT NULL,
        count   INTEGER NOT NULL,
        PRIMARY KEY (subject, backend, marks)
    ) STRICT, WITHOUT ROWID;
";

const LIVES: &str = "
    -- A column cannot be told that it may be empty: the table is made anew.
    ALTER TABLE ledger_releases RENAME TO ledger_releases_1;
    CREATE TABLE ledger_releases (
        message_id     BLOB PRIMARY KEY NOT NULL,
        session_id     TEXT, -- none: given up, or replayed since
        backend        TEXT NOT NULL,
        correlation_id TEXT,
        attempt        INTEGER NOT NULL,
        life           INTEGER NOT NULL DEFAULT 0,
        released_at    INTEGER,
        reopened_at    INTEGER, -- while there is no outcome: open to another session since then
        outcome        TEXT,
        outcome_at     INTEGER,
        detail         TEXT,
        command        TEXT, -- personal: only until there is an outcome
        CHECK ((outcome IS NULL) = (outcome_at IS NULL)),
        CHECK ((session_id IS NULL) = (released_at IS NULL)),
        CHECK (session_id IS NOT NULL OR outcome IS NOT NULL OR reopened_at IS NOT NULL)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO ledger_releases
        (message_id, session_id, backend, correlation_id, attempt, released_at, outcome, outcome_at)
        SELECT message_id, session_id, backend, correlation_id, attempt, released_at, outcome, outcome_at
        FROM ledger_releases_1;
    DROP TABLE ledger_releases_1;
    CREATE INDEX ledger_releases_session ON ledger_releases (backend, session_id);
    CREATE INDEX ledger_releases_due ON ledger_releases (backend, COALESCE(reopened_at, released_at))
        WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_replayed ON ledger_releases (reopened_at)
        WHERE outcome IS NULL AND session_id IS NULL;
    CREATE INDEX ledger_releases_settled ON ledger_releases (outcome_at) WHERE outcome_at IS NOT NULL;
";

const LEFT_OVER: &str = "
    DROP INDEX ledger_releases_replayed;
    CREATE INDEX ledger_releases_unended ON ledger_releases (COALESCE(reopened_at, released_at))
        WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_kept ON ledger_releases (message_id)
        WHERE outcome IS NOT NULL AND command IS NOT NULL;
    CREATE INDEX account_entries_unbegun ON account_entries (touched_at)
        WHERE subject < 2 AND marks & 1 = 0 AND marks <> 128;
";

const PEOPLE: &str = "
    CREATE TABLE memories (
        application TEXT NOT NULL,
        backend     TEXT NOT NULL,
        person      TEXT NOT NULL,
        value       TEXT, -- personal; none: forgotten, and the version goes on
        version     INTEGER NOT NULL,
        changed_at  INTEGER NOT NULL, -- microseconds since 1970
        PRIMARY KEY (application, backend, person)
    ) STRICT;
    CREATE INDEX memories_changed ON memories (changed_at);
    CREATE INDEX memories_forgotten ON memories (changed_at) WHERE value IS NULL;
    CREATE INDEX memories_tally ON memories (application, value) WHERE length(value) <= 500;
    CREATE TABLE memory_records (
        text_id BLOB PRIMARY KEY NOT NULL,
        record  TEXT NOT NULL, -- personal
        kept_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX memory_records_kept ON memory_records (kept_at);
    CREATE TABLE consents ( -- the latest choice of each
        backend TEXT NOT NULL,
        person  TEXT NOT NULL,
        choice  TEXT NOT NULL CHECK (choice IN ('in', 'out')),
        since   INTEGER NOT NULL,
        cause   BLOB NOT NULL,
        word    TEXT NOT NULL,
        PRIMARY KEY (backend, person)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE consent_changes (
        cause   BLOB PRIMARY KEY NOT NULL,
        backend TEXT NOT NULL,
        person  TEXT NOT NULL,
        choice  TEXT CHECK (choice IN ('in', 'out')), -- none: nothing changed, and the reply may be sent
        word    TEXT NOT NULL,
        reply   BLOB, -- the message that may be sent all the same
        at      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX consent_changes_person ON consent_changes (backend, person, at);
    CREATE INDEX consent_changes_reply ON consent_changes (reply) WHERE reply IS NOT NULL;
    CREATE INDEX consent_changes_replied ON consent_changes (at) WHERE choice IS NULL;
    CREATE TABLE explanations ( -- several of a text that was given up and replayed
        text_id    BLOB NOT NULL,
        id         BLOB NOT NULL,
        session_id TEXT NOT NULL,
        backend    TEXT NOT NULL,
        at         INTEGER NOT NULL,
        body       TEXT NOT NULL,
        PRIMARY KEY (text_id, id)
    ) STRICT;
    CREATE INDEX explanations_session ON explanations (session_id);
    CREATE INDEX explanations_told ON explanations (at);
";

const JOURNAL: &str = "
    CREATE TABLE journal_events (
        number         INTEGER PRIMARY KEY,
        id             BLOB NOT NULL UNIQUE,
        kind           TEXT NOT NULL,
        at             INTEGER NOT NULL, -- microseconds since 1970
        backend        TEXT NOT NULL,
        correlation_id TEXT,
        session_id     TEXT,
        subject        INTEGER, -- with of_id: the text or message that it is about
        of_id          BLOB,
        body           TEXT NOT NULL -- personal
    ) STRICT;
    CREATE INDEX journal_events_at ON journal_events (at);
    CREATE INDEX journal_events_conversation ON journal_events (correlation_id) WHERE correlation_id IS NOT NULL;
    CREATE INDEX journal_events_session ON journal_events (session_id) WHERE session_id IS NOT NULL;
    CREATE INDEX journal_events_of ON journal_events (of_id) WHERE of_id IS NOT NULL;
    CREATE TABLE journal_log (
        place          INTEGER PRIMARY KEY, -- microseconds since 1970 of its beginning, made unique
        subject        INTEGER NOT NULL,
        id             BLOB NOT NULL,
        backend        TEXT NOT NULL,
        correlation_id TEXT,
        session_id     TEXT,
        session_at     INTEGER,
        marks          INTEGER NOT NULL,
        standing       INTEGER, -- by the marks; none: nothing of it was seen yet
        begun_at       INTEGER NOT NULL,
        released_at    INTEGER,
        touched_at     INTEGER NOT NULL,
        person         TEXT, -- personal; with text and network, or none of them
        reversed       TEXT, -- the person's address from its end, to be found by its last digits
        our_number     TEXT,
        text           TEXT, -- personal
        network        TEXT,
        application    TEXT,
        cause          BLOB
    ) STRICT;
    CREATE UNIQUE INDEX journal_log_id ON journal_log (id, subject);
    CREATE INDEX journal_log_person ON journal_log (reversed) WHERE reversed IS NOT NULL;
    CREATE INDEX journal_log_conversation ON journal_log (correlation_id) WHERE correlation_id IS NOT NULL;
    CREATE INDEX journal_log_cause ON journal_log (cause) WHERE cause IS NOT NULL;
    CREATE INDEX journal_log_standing ON journal_log (standing) WHERE standing IS NOT NULL;
    CREATE INDEX journal_log_backend ON journal_log (backend);
    CREATE INDEX journal_log_application ON journal_log (application) WHERE application IS NOT NULL;
    CREATE INDEX journal_log_released ON journal_log (released_at) WHERE released_at IS NOT NULL AND cause IS NOT NULL;
    -- What lines are found by, under their places. The words come ready made, so it only has to take them apart at blanks.
    CREATE VIRTUAL TABLE journal_words USING fts5
        (words, tokenize = 'ascii', content = '', contentless_delete = 1, detail = none);
    CREATE TABLE journal_tallies (
        minute  INTEGER NOT NULL, -- microseconds since 1970 of its beginning
        backend TEXT NOT NULL,
        kind    TEXT NOT NULL,
        count   INTEGER NOT NULL,
        PRIMARY KEY (minute, backend, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE journal_totals ( -- one row
        last   INTEGER NOT NULL, -- the greatest number that an event ever had
        events INTEGER NOT NULL,
        bytes  INTEGER NOT NULL
    ) STRICT;
    INSERT INTO journal_totals VALUES (0, 0, 0);
";

const DESK: &str = "
    CREATE TABLE desk_sessions (
        session BLOB PRIMARY KEY NOT NULL, -- the hash of the secret in the cookie
        user    TEXT NOT NULL,
        proof   BLOB NOT NULL,
        since   INTEGER NOT NULL, -- microseconds since 1970
        until   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX desk_sessions_until ON desk_sessions (until);
    CREATE TABLE desk_requests (
        key     BLOB PRIMARY KEY NOT NULL,
        content BLOB NOT NULL,
        id      BLOB NOT NULL,
        at      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX desk_requests_at ON desk_requests (at);
    CREATE TABLE desk_acts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at     INTEGER NOT NULL,
        who    TEXT NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX desk_acts_at ON desk_acts (at);
";

const EDITION: &str = "
    CREATE TABLE ledger_schema ( -- one row
        works_from INTEGER NOT NULL -- the lowest version whose code works with these tables
    ) STRICT;
    INSERT INTO ledger_schema (works_from) VALUES (0);
";

/// Does the steps that are missing, in one transaction: of two processes that start at once, one waits.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(judge)?;
    let found = edition(&transaction)?;
    if found.is_ahead() {
        info!("the file has schema version {}, which a newer version made: its tables are left alone", found.version);
    }
    if !found.is_behind()? {
        return Ok(());
    }
    for step in STEPS.iter().skip(usize::try_from(found.version).unwrap_or_default()) {
        transaction.execute_batch(step).map_err(judge)?;
    }
    transaction.execute("UPDATE ledger_schema SET works_from = ?1", [WORKS_FROM]).map_err(judge)?;
    transaction.pragma_update(None, "user_version", KNOWN).map_err(judge)?;
    transaction.commit().map_err(judge)?;
    Ok(())
}

/// Refuses a schema that lacks steps, or that this code does not work with any more.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    let found = edition(connection)?;
    if found.is_behind()? { Err(OpenError::Older { found: found.version, known: KNOWN }) } else { Ok(()) }
}

/// What the file says of itself.
fn edition(connection: &Connection) -> Result<Edition, LedgerError> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(judge)?;
    if version <= KNOWN {
        return Ok(Edition::known(version));
    }
    let works_from =
        connection.query_row("SELECT works_from FROM ledger_schema", [], |row| row.get(0)).map_err(judge)?;
    Ok(Edition { version, works_from })
}

#[cfg(test)]
mod tests;
