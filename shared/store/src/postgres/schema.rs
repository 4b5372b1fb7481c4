//! The tables of the PostgreSQL ledger, and how they came to be.

use std::time::Duration;

use deadpool_postgres::Transaction;
use tracing::info;

use super::lent::{Failure, Lent, is_cut_short};
use super::pool::Connections;
use crate::edition::{Edition, KNOWN, WORKS_FROM};
use crate::error::Fault;
use crate::{LedgerError, Older, OpenError};

/// One step each; the number of those done is kept in `ledger_schema`. Released steps are never changed. How a new one is
/// made: CONTRIBUTING.md, "A step of the schema".
const STEPS: [&str; KNOWN as usize] = [RELEASES, ACCOUNTS, LIVES, LEFT_OVER, PEOPLE, JOURNAL, DESK, EDITION];

const RELEASES: &str = "
    CREATE TABLE ledger_releases (
        message_id     uuid PRIMARY KEY,
        session_id     text NOT NULL,
        backend        text NOT NULL,
        correlation_id text,
        attempt        bigint NOT NULL,
        released_at    timestamptz NOT NULL,
        outcome        text,
        outcome_at     timestamptz,
        CHECK ((outcome IS NULL) = (outcome_at IS NULL))
    );
    CREATE INDEX ledger_releases_session ON ledger_releases (backend, session_id);
    CREATE INDEX ledger_releases_open ON ledger_releases (backend, released_at) WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_settled ON ledger_releases (outcome_at) WHERE outcome_at IS NOT NULL;
";

const ACCOUNTS: &str = "
    CREATE TABLE account_entries (
        subject        smallint NOT NULL,
        id             uuid NOT NULL,
        backend        text NOT NULL,
        correlation_id text,
        marks          integer NOT NULL, -- a bit for each thing that was seen of it
        touched_at     timestamptz NOT NULL,
        PRIMARY KEY (subject, id)
    );
    CREATE INDEX account_entries_tally ON account_entries (subject, backend, marks, touched_at);
    CREATE INDEX account_entries_open ON account_entries (subject, touched_at)
        WHERE (marks < 4 OR marks BETWEEN 512 AND 1023);
    CREATE INDEX account_entries_ended ON account_entries (touched_at)
        WHERE NOT (marks < 4 OR marks BETWEEN 512 AND 1023);
    CREATE TABLE account_totals (
        subject smallint NOT NULL,
        backend text NOT NULL,
        marks   integer NOT NULL,
        count   bigint NOT NULL,
        PRIMARY KEY (subject, backend, marks)
    );
";

const LIVES: &str = "
    ALTER TABLE ledger_releases
        ALTER COLUMN session_id DROP NOT NULL, -- none: given up, or replayed since
        ALTER COLUMN released_at DROP NOT NULL,
        ADD COLUMN life bigint NOT NULL DEFAULT 0,
        ADD COLUMN reopened_at timestamptz, -- while there is no outcome: open to another session since then
        ADD COLUMN detail text,
        ADD COLUMN command text, -- personal: only until there is an outcome
        -- All rows that are there have a session: nothing is to be read for these.
        ADD CHECK ((session_id IS NULL) = (released_at IS NULL)) NOT VALID,
        ADD CHECK (session_id IS NOT NULL OR outcome IS NOT NULL OR reopened_at IS NOT NULL) NOT VALID;
    DROP INDEX ledger_releases_open;
    CREATE INDEX ledger_releases_due ON ledger_releases (backend, COALESCE(reopened_at, released_at))
        WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_replayed ON ledger_releases (reopened_at)
        WHERE outcome IS NULL AND session_id IS NULL;
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
        application text COLLATE \"C\" NOT NULL,
        backend     text COLLATE \"C\" NOT NULL,
        person      text COLLATE \"C\" NOT NULL,
        value       text, -- personal; none: forgotten, and the version goes on
        version     bigint NOT NULL,
        changed_at  timestamptz NOT NULL,
        PRIMARY KEY (application, backend, person)
    );
    CREATE INDEX memories_changed ON memories (changed_at);
    CREATE INDEX memories_forgotten ON memories (changed_at) WHERE value IS NULL;
    -- No longer ones: an entry of an index has at most 2704 bytes.
    CREATE INDEX memories_tally ON memories (application, value) WHERE length(value) <= 500;
    CREATE TABLE memory_records (
        text_id uuid PRIMARY KEY,
        record  text NOT NULL, -- personal
        kept_at timestamptz NOT NULL
    );
    CREATE INDEX memory_records_kept ON memory_records (kept_at);
    CREATE TABLE consents ( -- the latest choice of each
        backend text COLLATE \"C\" NOT NULL,
        person  text COLLATE \"C\" NOT NULL,
        choice  text NOT NULL CHECK (choice IN ('in', 'out')),
        since   timestamptz NOT NULL,
        cause   uuid NOT NULL,
        word    text NOT NULL,
        PRIMARY KEY (backend, person)
    );
    CREATE TABLE consent_changes (
        cause   uuid PRIMARY KEY,
        backend text COLLATE \"C\" NOT NULL,
        person  text COLLATE \"C\" NOT NULL,
        choice  text CHECK (choice IN ('in', 'out')), -- none: nothing changed, and the reply may be sent
        word    text NOT NULL,
        reply   uuid, -- the message that may be sent all the same
        at      timestamptz NOT NULL
    );
    CREATE INDEX consent_changes_person ON consent_changes (backend, person, at);
    CREATE INDEX consent_changes_reply ON consent_changes (reply) WHERE reply IS NOT NULL;
    CREATE INDEX consent_changes_replied ON consent_changes (at) WHERE choice IS NULL;
    CREATE TABLE explanations ( -- several of a text that was given up and replayed
        text_id    uuid NOT NULL,
        id         uuid NOT NULL,
        session_id text NOT NULL,
        backend    text NOT NULL,
        at         timestamptz NOT NULL,
        body       text NOT NULL,
        PRIMARY KEY (text_id, id)
    );
    CREATE INDEX explanations_session ON explanations (session_id);
    CREATE INDEX explanations_told ON explanations (at);
";

const JOURNAL: &str = "
    CREATE TABLE journal_events (
        number         bigint PRIMARY KEY,
        id             uuid NOT NULL UNIQUE,
        kind           text NOT NULL,
        at             timestamptz NOT NULL,
        backend        text COLLATE \"C\" NOT NULL,
        correlation_id text,
        session_id     text,
        subject        smallint, -- with of_id: the text or message that it is about
        of_id          uuid,
        body           text NOT NULL -- personal
    );
    CREATE INDEX journal_events_at ON journal_events (at, number);
    CREATE INDEX journal_events_conversation ON journal_events (correlation_id) WHERE correlation_id IS NOT NULL;
    CREATE INDEX journal_events_session ON journal_events (session_id) WHERE session_id IS NOT NULL;
    CREATE INDEX journal_events_of ON journal_events (of_id) WHERE of_id IS NOT NULL;
    CREATE TABLE journal_log (
        place          bigint PRIMARY KEY, -- microseconds since 1970 of its beginning, made unique
        subject        smallint NOT NULL,
        id             uuid NOT NULL,
        backend        text COLLATE \"C\" NOT NULL,
        correlation_id text,
        session_id     text,
        session_at     timestamptz,
        marks          integer NOT NULL,
        standing       smallint, -- by the marks; none: nothing of it was seen yet
        begun_at       timestamptz NOT NULL,
        released_at    timestamptz,
        touched_at     timestamptz NOT NULL,
        person         text, -- personal; with text and network, or none of them
        reversed       text COLLATE \"C\", -- the person's address from its end, to be found by its last digits
        our_number     text,
        text           text, -- personal
        network        text,
        application    text,
        cause          uuid,
        UNIQUE (id, subject)
    ) WITH (fillfactor = 80); -- a line changes at every step of its conversation
    CREATE INDEX journal_log_person ON journal_log (reversed, place) WHERE reversed IS NOT NULL;
    CREATE INDEX journal_log_conversation ON journal_log (correlation_id, place) WHERE correlation_id IS NOT NULL;
    CREATE INDEX journal_log_cause ON journal_log (cause, place) WHERE cause IS NOT NULL;
    CREATE INDEX journal_log_standing ON journal_log (standing, place) WHERE standing IS NOT NULL;
    CREATE INDEX journal_log_backend ON journal_log (backend, place);
    CREATE INDEX journal_log_application ON journal_log (application, place) WHERE application IS NOT NULL;
    CREATE INDEX journal_log_released ON journal_log (released_at) WHERE released_at IS NOT NULL AND cause IS NOT NULL;
    -- What lines are found by, under their places; apart from them, because it never changes.
    CREATE TABLE journal_words (
        place bigint PRIMARY KEY,
        words tsvector NOT NULL -- personal
    );
    -- What is not sorted in yet is short: who looks for words reads through it, and who fills it up sorts it in.
    CREATE INDEX journal_words_words ON journal_words USING gin (words) WITH (gin_pending_list_limit = 512);
    CREATE TABLE journal_tallies (
        minute  timestamptz NOT NULL,
        backend text COLLATE \"C\" NOT NULL,
        kind    text COLLATE \"C\" NOT NULL,
        count   bigint NOT NULL,
        PRIMARY KEY (minute, backend, kind)
    );
    CREATE TABLE journal_totals ( -- one row; who writes events locks it first
        last   bigint NOT NULL, -- the greatest number that an event ever had
        events bigint NOT NULL,
        bytes  bigint NOT NULL
    );
    INSERT INTO journal_totals VALUES (0, 0, 0);
";

const DESK: &str = "
    CREATE TABLE desk_sessions (
        session   bytea PRIMARY KEY, -- the hash of the secret in the cookie
        user_name text NOT NULL,
        proof     bytea NOT NULL,
        since     timestamptz NOT NULL,
        until     timestamptz NOT NULL
    );
    CREATE INDEX desk_sessions_until ON desk_sessions (until);
    CREATE TABLE desk_requests (
        key     bytea PRIMARY KEY,
        content bytea NOT NULL,
        id      uuid NOT NULL,
        at      timestamptz NOT NULL
    );
    CREATE INDEX desk_requests_at ON desk_requests (at);
    CREATE TABLE desk_acts (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at     timestamptz NOT NULL,
        who    text NOT NULL,
        action text NOT NULL,
        detail text NOT NULL
    );
    CREATE INDEX desk_acts_at ON desk_acts (at);
";

const EDITION: &str = "
    -- The lowest version whose code works with these tables.
    ALTER TABLE ledger_schema ADD COLUMN works_from bigint NOT NULL DEFAULT 0;
";

/// The encodings in which every text can be written; the second takes bytes as they come.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];

/// The advisory lock under which the schema is brought up to date.
const LOCK: i64 = 0x7472_6f70_6f6d_7101;
/// How long it may take to see which version is there.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// How long the steps may take, waiting for another replica included: indexes are built over all that is there.
const MIGRATE_MAX: Duration = Duration::from_mins(15);

/// Does the steps that are missing, or refuses a schema that lacks some.
pub(super) async fn prepare(connections: &Connections, older: Older) -> Result<(), OpenError> {
    let (found, encoding) = connections.perform_within("look_at_schema", LOOK_MAX, look).await?;
    if !ENCODINGS.contains(&encoding.as_str()) {
        return Err(OpenError::Encoding { found: encoding });
    }
    if found.is_ahead() {
        info!("the ledger has schema version {}, which a newer version made: its tables are left alone", found.version);
    }
    match found.is_behind()? {
        false => Ok(()),
        true if older == Older::Refuse => Err(OpenError::Older { found: found.version, known: KNOWN }),
        true => migrate(connections, found.version).await,
    }
}

async fn migrate(connections: &Connections, found: i64) -> Result<(), OpenError> {
    if 0 < found {
        info!("bringing the ledger from schema version {found} to {KNOWN}: claims wait until that is done");
    }
    let migrated = connections.perform_within("migrate", MIGRATE_MAX, up_to_date).await;
    let found = migrated.map_err(|source| match ran_out(&source) {
        true => OpenError::TooLong { found, known: KNOWN, within: MIGRATE_MAX, source },
        false => OpenError::Ledger(source),
    })?;
    // Another replica that started in this moment may be of a newer version.
    found.is_behind().map(drop)
}

/// Whether the time was over, and not the server away: then another attempt would come no further.
fn ran_out(error: &LedgerError) -> bool {
    let LedgerError::Unavailable(cause) = error else { return false };
    matches!(cause.downcast_ref(), Some(Fault::TimedOut(_))) || is_cut_short(error)
}

/// Returns what is there, without a lock, and the encoding of the database.
async fn look(mut client: Lent) -> Result<(Edition, String), Failure> {
    let transaction = client.transaction().await?;
    let encoding = transaction.query_one("SELECT current_setting('server_encoding')", &[]).await?;
    Ok((edition(&transaction).await?, encoding.try_get(0).map_err(LedgerError::corrupt)?))
}

async fn edition(transaction: &Transaction<'_>) -> Result<Edition, Failure> {
    // Read from the catalog: to_regclass would remember that there is none while another replica makes it.
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'ledger_schema' AND pg_table_is_visible(oid))";
    let exists = transaction.query_one(sql, &[]).await?;
    if !exists.try_get(0).map_err(LedgerError::corrupt)? {
        return Ok(Edition::known(0));
    }
    let version = transaction.query_one("SELECT version FROM ledger_schema", &[]).await?;
    let version = version.try_get(0).map_err(LedgerError::corrupt)?;
    if version <= KNOWN {
        return Ok(Edition::known(version));
    }
    let works_from = transaction.query_one("SELECT works_from FROM ledger_schema", &[]).await?;
    Ok(Edition { version, works_from: works_from.try_get(0).map_err(LedgerError::corrupt)? })
}

/// Does the steps that are missing, in one transaction: of two replicas that start at once, one waits. Returns what was
/// found. A schema that lacks none is left alone, so that a service needs no right to create tables once they are there.
async fn up_to_date(mut client: Lent) -> Result<Edition, Failure> {
    let transaction = client.transaction().await?;
    let timeout = MIGRATE_MAX.as_secs();
    transaction.batch_execute(&format!("SET LOCAL statement_timeout = '{timeout}s'")).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let found = edition(&transaction).await?;
    if KNOWN <= found.version {
        return Ok(found);
    }
    if found.version == 0 {
        transaction
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS ledger_schema (version bigint NOT NULL); DELETE FROM ledger_schema; \
                 INSERT INTO ledger_schema VALUES (0)",
            )
            .await?;
    }
    for step in STEPS.iter().skip(usize::try_from(found.version).unwrap_or_default()) {
        transaction.batch_execute(step).await?;
    }
    let sql = "UPDATE ledger_schema SET version = $1, works_from = $2";
    transaction.execute(sql, &[&KNOWN, &WORKS_FROM]).await?;
    transaction.commit().await?;
    Ok(found)
}

#[cfg(test)]
mod tests;
