//! The tables of the PostgreSQL ledger, and how they came to be.

use std::time::Duration;

use super::pool::{Connections, Failure, Lent};
use crate::{LedgerError, OpenError};

/// One step each; the number of those done is kept in `ledger_schema`. Released steps are never changed.
const STEPS: [&str; 3] = [RELEASES, ACCOUNTS, LIVES];

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
        ADD CHECK ((session_id IS NULL) = (released_at IS NULL)),
        ADD CHECK (session_id IS NOT NULL OR outcome IS NOT NULL OR reopened_at IS NOT NULL);
    DROP INDEX ledger_releases_open;
    CREATE INDEX ledger_releases_due ON ledger_releases (backend, COALESCE(reopened_at, released_at))
        WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_replayed ON ledger_releases (reopened_at)
        WHERE outcome IS NULL AND session_id IS NULL;
";

/// The advisory lock under which the schema is brought up to date.
const LOCK: i64 = 0x7472_6f70_6f6d_7101;
/// How long that may take, waiting for another replica included.
const MIGRATE_MAX: Duration = Duration::from_secs(60);

/// Does the steps that are missing, in one transaction: of two replicas that start at once, one waits.
pub(super) async fn migrate(connections: &Connections) -> Result<(), OpenError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found = connections.perform_within(MIGRATE_MAX, |client| up_to_date(client, known)).await?;
    if known < found { Err(OpenError::Newer { found, known }) } else { Ok(()) }
}

/// Returns the version that was found. One that is not older than `known` is left alone, so that a service needs no
/// right to create tables once they are there.
async fn up_to_date(mut client: Lent, known: i64) -> Result<i64, Failure> {
    let transaction = client.transaction().await?;
    let timeout = MIGRATE_MAX.as_secs();
    transaction.batch_execute(&format!("SET LOCAL statement_timeout = '{timeout}s'")).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let exists = transaction.query_one("SELECT to_regclass('ledger_schema') IS NOT NULL", &[]).await?;
    let found = if exists.try_get(0).map_err(LedgerError::corrupt)? {
        let version = transaction.query_one("SELECT version FROM ledger_schema", &[]).await?;
        version.try_get(0).map_err(LedgerError::corrupt)?
    } else {
        0
    };
    if known <= found {
        return Ok(found);
    }
    if found == 0 {
        transaction
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS ledger_schema (version bigint NOT NULL); DELETE FROM ledger_schema; \
                 INSERT INTO ledger_schema VALUES (0)",
            )
            .await?;
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.batch_execute(step).await?;
    }
    transaction.execute("UPDATE ledger_schema SET version = $1", &[&known]).await?;
    transaction.commit().await?;
    Ok(found)
}
