//! The operations of the ledger in SQL. Each statement is a transaction of its own.

use std::error::Error;
use std::str::FromStr;
use std::time::SystemTime;

use protocol::{BackendName, EventId, SessionId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use super::pool::{Failure, Lent};
use crate::error::Fault;
use crate::ledger::{Claim, Claimed, Release, Settled, kept};
use crate::{LedgerError, Outcome};

/// The columns of a release; [`release`] reads a row of them.
macro_rules! columns {
    () => {
        "message_id, session_id, backend, correlation_id, attempt, released_at, outcome, outcome_at"
    };
}

/// Selects releases.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM ledger_releases ", $rest)
    };
}

pub(super) async fn claim(client: Lent, claim: &Claim) -> Result<Claimed, Failure> {
    let inserted = execute(
        &client,
        "INSERT INTO ledger_releases (message_id, session_id, backend, correlation_id, attempt, released_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (message_id) DO NOTHING",
        &[
            &claim.message_id.as_uuid(),
            &claim.session_id.as_str(),
            &claim.backend.as_str(),
            &claim.correlation_id.as_ref().map(SessionId::as_str),
            &i64::from(claim.attempt),
            &SystemTime::from(kept(claim.at)),
        ],
    )
    .await?;
    if inserted == 1 {
        return Ok(Claimed::Granted { at: kept(claim.at) });
    }
    // The insert waited for whoever inserted first, so the holder is committed, and a new statement sees it.
    let holder = find_one(&client, claim.message_id).await?;
    let holder = holder.ok_or_else(|| LedgerError::unavailable(Fault::Forgotten))?;
    if holder.session_id == claim.session_id {
        Ok(Claimed::Again { at: holder.released_at })
    } else {
        Ok(Claimed::Refused { holder: holder.session_id })
    }
}

pub(super) async fn find(client: Lent, message_ids: &[EventId]) -> Result<Vec<Release>, Failure> {
    let message_ids: Vec<Uuid> = message_ids.iter().map(|id| id.as_uuid()).collect();
    query(&client, select!("WHERE message_id = ANY($1)"), &[&message_ids]).await
}

async fn find_one(client: &Lent, message_id: EventId) -> Result<Option<Release>, Failure> {
    let found = query(client, select!("WHERE message_id = $1"), &[&message_id.as_uuid()]).await?;
    Ok(found.into_iter().next())
}

pub(super) async fn find_by_session(
    client: Lent,
    backend: &BackendName,
    session_id: &SessionId,
) -> Result<Vec<Release>, Failure> {
    query(
        &client,
        select!("WHERE backend = $1 AND session_id = $2 ORDER BY released_at"),
        &[&backend.as_str(), &session_id.as_str()],
    )
    .await
}

pub(super) async fn settle(
    client: Lent,
    message_id: EventId,
    session_id: &SessionId,
    outcome: Outcome,
    at: Timestamp,
) -> Result<Settled, Failure> {
    let replaces: Vec<&str> = outcome.replaces().iter().map(|known| known.as_str()).collect();
    let updated = query(
        &client,
        concat!(
            "UPDATE ledger_releases SET outcome = $3, outcome_at = $4 \
             WHERE message_id = $1 AND session_id = $2 AND (outcome IS NULL OR outcome = ANY($5)) RETURNING ",
            columns!()
        ),
        &[&message_id.as_uuid(), &session_id.as_str(), &outcome.as_str(), &SystemTime::from(kept(at)), &replaces],
    )
    .await?;
    if let Some(release) = updated.into_iter().next() {
        return Ok(Settled::Recorded(release));
    }
    let known = find_one(&client, message_id).await?;
    Ok(known.filter(|release| release.session_id == *session_id).map_or(Settled::NotHolder, Settled::Unchanged))
}

pub(super) async fn overdue(
    client: Lent,
    backend: &BackendName,
    released_before: Timestamp,
    limit: u32,
) -> Result<Vec<Release>, Failure> {
    query(
        &client,
        select!("WHERE backend = $1 AND outcome IS NULL AND released_at < $2 ORDER BY released_at LIMIT $3"),
        &[&backend.as_str(), &SystemTime::from(released_before), &i64::from(limit)],
    )
    .await
}

pub(super) async fn count(client: Lent) -> Result<u64, Failure> {
    let statement = client.answer(client.prepare_cached("SELECT count(*) FROM ledger_releases")).await?;
    let row = client.answer(client.query_one(&statement, &[])).await?;
    let count: i64 = row.try_get(0).map_err(LedgerError::corrupt)?;
    Ok(u64::try_from(count).map_err(LedgerError::corrupt)?)
}

pub(super) async fn prune(client: Lent, settled_before: Timestamp, limit: u32) -> Result<u64, Failure> {
    // The condition stands twice, so that a release which is settled anew at this moment is looked at again and kept.
    execute(
        &client,
        "DELETE FROM ledger_releases WHERE outcome_at < $1 AND message_id IN (\
             SELECT message_id FROM ledger_releases WHERE outcome_at < $1 ORDER BY outcome_at LIMIT $2)",
        &[&SystemTime::from(settled_before), &i64::from(limit)],
    )
    .await
}

/// A server that takes no writes is of no use, so it counts as away.
pub(super) async fn ping(client: Lent) -> Result<(), Failure> {
    query(&client, select!("LIMIT 0"), &[]).await?;
    let statement = client.answer(client.prepare_cached("SELECT current_setting('transaction_read_only')")).await?;
    let row = client.answer(client.query_one(&statement, &[])).await?;
    let read_only: &str = row.try_get(0).map_err(LedgerError::corrupt)?;
    if read_only == "on" { Err(client.read_only()) } else { Ok(()) }
}

async fn execute(client: &Lent, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Failure> {
    let statement = client.answer(client.prepare_cached(sql)).await?;
    client.answer(client.execute(&statement, parameters)).await
}

async fn query(client: &Lent, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Release>, Failure> {
    let statement = client.answer(client.prepare_cached(sql)).await?;
    let rows = client.answer(client.query(&statement, parameters)).await?;
    Ok(rows.iter().map(release).collect::<Result<_, LedgerError>>()?)
}

/// Reads a row of [`columns!`].
fn release(row: &Row) -> Result<Release, LedgerError> {
    let attempt: i64 = get(row, "attempt")?;
    Ok(Release {
        message_id: EventId::from(get::<Uuid>(row, "message_id")?),
        session_id: parse(get(row, "session_id")?)?,
        backend: parse(get(row, "backend")?)?,
        correlation_id: get::<Option<&str>>(row, "correlation_id")?.map(parse).transpose()?,
        attempt: u32::try_from(attempt).map_err(LedgerError::unreadable)?,
        released_at: instant(get(row, "released_at")?)?,
        outcome: get::<Option<&str>>(row, "outcome")?.map(parse).transpose()?,
        outcome_at: get::<Option<SystemTime>>(row, "outcome_at")?.map(instant).transpose()?,
    })
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, LedgerError> {
    row.try_get(column).map_err(LedgerError::unreadable)
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::unreadable)
}

fn instant(at: SystemTime) -> Result<Timestamp, LedgerError> {
    Timestamp::try_from(at).map_err(LedgerError::unreadable)
}
