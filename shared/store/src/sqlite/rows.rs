//! The operations of the ledger in SQL. Each runs inside a transaction that holds the write lock.

use std::error::Error;
use std::str::FromStr;

use protocol::{BackendName, EventId, SessionId, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row, params};
use uuid::Uuid;

use super::judge;
use crate::error::Fault;
use crate::ledger::{Claim, Claimed, Release, Settled, kept};
use crate::{LedgerError, Outcome};

/// Selects releases; [`release`] reads a row of it.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT message_id, session_id, backend, correlation_id, attempt, released_at, outcome, outcome_at ",
            "FROM ledger_releases ",
            $rest
        )
    };
}

pub(super) fn claim(connection: &Connection, claim: &Claim) -> Result<Claimed, LedgerError> {
    let inserted = execute(
        connection,
        "INSERT INTO ledger_releases (message_id, session_id, backend, correlation_id, attempt, released_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (message_id) DO NOTHING",
        params![
            claim.message_id.as_uuid().as_bytes(),
            claim.session_id.as_str(),
            claim.backend.as_str(),
            claim.correlation_id.as_ref().map(SessionId::as_str),
            claim.attempt,
            claim.at.as_microsecond(),
        ],
    )?;
    if inserted == 1 {
        return Ok(Claimed::Granted { at: kept(claim.at) });
    }
    let holder = find_one(connection, claim.message_id)?.ok_or_else(|| LedgerError::unavailable(Fault::Forgotten))?;
    if holder.session_id == claim.session_id {
        Ok(Claimed::Again { at: holder.released_at })
    } else {
        Ok(Claimed::Refused { holder: holder.session_id })
    }
}

pub(super) fn find(connection: &Connection, message_ids: &[EventId]) -> Result<Vec<Release>, LedgerError> {
    let mut releases = Vec::new();
    for message_id in message_ids {
        releases.extend(find_one(connection, *message_id)?);
    }
    Ok(releases)
}

fn find_one(connection: &Connection, message_id: EventId) -> Result<Option<Release>, LedgerError> {
    let found = query(connection, select!("WHERE message_id = ?1"), params![message_id.as_uuid().as_bytes()])?;
    Ok(found.into_iter().next())
}

pub(super) fn find_by_session(
    connection: &Connection,
    backend: &BackendName,
    session_id: &SessionId,
) -> Result<Vec<Release>, LedgerError> {
    query(
        connection,
        select!("WHERE backend = ?1 AND session_id = ?2 ORDER BY released_at"),
        params![backend.as_str(), session_id.as_str()],
    )
}

pub(super) fn settle(
    connection: &Connection,
    message_id: EventId,
    session_id: &SessionId,
    outcome: Outcome,
    at: Timestamp,
) -> Result<Settled, LedgerError> {
    let Some(release) = find_one(connection, message_id)?.filter(|release| release.session_id == *session_id) else {
        return Ok(Settled::NotHolder);
    };
    if release.outcome.is_some_and(|known| !outcome.replaces().contains(&known)) {
        return Ok(Settled::Unchanged(release));
    }
    execute(
        connection,
        "UPDATE ledger_releases SET outcome = ?2, outcome_at = ?3 WHERE message_id = ?1",
        params![message_id.as_uuid().as_bytes(), outcome.as_str(), at.as_microsecond()],
    )?;
    Ok(Settled::Recorded(Release { outcome: Some(outcome), outcome_at: Some(kept(at)), ..release }))
}

pub(super) fn overdue(
    connection: &Connection,
    backend: &BackendName,
    released_before: Timestamp,
    limit: u32,
) -> Result<Vec<Release>, LedgerError> {
    query(
        connection,
        select!("WHERE backend = ?1 AND outcome IS NULL AND released_at < ?2 ORDER BY released_at LIMIT ?3"),
        params![backend.as_str(), released_before.as_microsecond(), limit],
    )
}

pub(super) fn count(connection: &Connection) -> Result<u64, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM ledger_releases").map_err(judge)?;
    let count: i64 = statement.query_row([], |row| row.get(0)).map_err(judge)?;
    u64::try_from(count).map_err(LedgerError::corrupt)
}

pub(super) fn prune(connection: &Connection, settled_before: Timestamp, limit: u32) -> Result<u64, LedgerError> {
    let removed = execute(
        connection,
        "DELETE FROM ledger_releases WHERE message_id IN (\
             SELECT message_id FROM ledger_releases WHERE outcome_at < ?1 ORDER BY outcome_at LIMIT ?2)",
        params![settled_before.as_microsecond(), limit],
    )?;
    u64::try_from(removed).map_err(LedgerError::corrupt)
}

/// The transaction around it has taken the write lock: that is the proof.
pub(super) fn ping(connection: &Connection) -> Result<(), LedgerError> {
    query(connection, select!("LIMIT 0"), params![]).map(drop)
}

fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, LedgerError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(judge)
}

fn query(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<Release>, LedgerError> {
    let mut statement = connection.prepare_cached(sql).map_err(judge)?;
    let mut rows = statement.query(parameters).map_err(judge)?;
    let mut releases = Vec::new();
    while let Some(row) = rows.next().map_err(judge)? {
        releases.push(release(row)?);
    }
    Ok(releases)
}

/// Reads a row of [`select!`].
fn release(row: &Row<'_>) -> Result<Release, LedgerError> {
    let message_id = Uuid::from_bytes(get(row, "message_id")?);
    let outcome_at: Option<i64> = get(row, "outcome_at")?;
    Ok(Release {
        message_id: EventId::from(message_id),
        session_id: parse(&get::<String>(row, "session_id")?)?,
        backend: parse(&get::<String>(row, "backend")?)?,
        correlation_id: get::<Option<String>>(row, "correlation_id")?.as_deref().map(parse).transpose()?,
        attempt: get(row, "attempt")?,
        released_at: instant(get(row, "released_at")?)?,
        outcome: get::<Option<String>>(row, "outcome")?.as_deref().map(parse).transpose()?,
        outcome_at: outcome_at.map(instant).transpose()?,
    })
}

fn get<T: FromSql>(row: &Row<'_>, column: &str) -> Result<T, LedgerError> {
    row.get(column).map_err(LedgerError::unreadable)
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::unreadable)
}

fn instant(microseconds: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_microsecond(microseconds).map_err(LedgerError::unreadable)
}
