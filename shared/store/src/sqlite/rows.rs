//! The operations of the ledger in SQL. Each runs inside a transaction that holds the write lock.

use protocol::{BackendName, EventId, SessionId, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, params};
use uuid::Uuid;

use super::{consents, judge};
use crate::claim::{Claim, Claimed};
use crate::error::Fault;
use crate::ledger::{AllOverdue, GaveUp, GiveUp, Overdue, Record, Release, Settled, kept};
use crate::row::{self, Row};
use crate::{LedgerError, Outcome};

/// The columns of a row; [`row`] reads them.
macro_rules! columns {
    () => {
        "message_id, session_id, backend, correlation_id, attempt, life, released_at, reopened_at, outcome, outcome_at, \
         detail, command"
    };
}

/// Selects rows.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM ledger_releases ", $rest)
    };
}

pub(super) fn claim(connection: &Connection, claim: &Claim) -> Result<Claimed, LedgerError> {
    if !claim.is_in_time() {
        return Err(LedgerError::unavailable(Fault::TooLate));
    }
    if !consents::permits(connection, claim.message_id, &claim.backend, &claim.to)? {
        return suppress(connection, claim);
    }
    let command = claim.command.as_deref().map(row::write).transpose()?;
    let granted = query(
        connection,
        concat!(
            "INSERT INTO ledger_releases \
                 (message_id, session_id, backend, correlation_id, attempt, released_at, command) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (message_id) DO UPDATE SET \
                 life = life + CASE WHEN session_id <> excluded.session_id THEN 1 ELSE 0 END, \
                 session_id = excluded.session_id, correlation_id = excluded.correlation_id, \
                 attempt = excluded.attempt, released_at = excluded.released_at, command = excluded.command, \
                 reopened_at = NULL \
             WHERE reopened_at IS NOT NULL AND outcome IS NULL RETURNING ",
            columns!()
        ),
        params![
            claim.message_id.as_uuid().as_bytes(),
            claim.session_id.as_str(),
            claim.backend.as_str(),
            claim.correlation_id.as_ref().map(SessionId::as_str),
            claim.attempt,
            claim.at.as_microsecond(),
            command,
        ],
    )?;
    if let Some(granted) = granted.into_iter().next() {
        return Ok(Claimed::Granted { at: kept(claim.at), life: granted.life });
    }
    told(look_up(connection, claim.message_id)?, claim)
}

/// Keeps the message from a person who opted out, unless a session has it.
fn suppress(connection: &Connection, claim: &Claim) -> Result<Claimed, LedgerError> {
    told(Some(give_up(connection, &claim.suppressed())?.into()), claim)
}

fn told(record: Option<Record>, claim: &Claim) -> Result<Claimed, LedgerError> {
    let claimed = record.and_then(|record| Claimed::of(record, &claim.session_id));
    claimed.ok_or_else(|| LedgerError::unavailable(Fault::Changed))
}

pub(super) fn find(connection: &Connection, message_ids: &[EventId]) -> Result<Vec<Release>, LedgerError> {
    let mut releases = Vec::new();
    for message_id in message_ids {
        if let Some(Record::Released(release)) = look_up(connection, *message_id)? {
            releases.push(release);
        }
    }
    Ok(releases)
}

pub(super) fn look_up(connection: &Connection, message_id: EventId) -> Result<Option<Record>, LedgerError> {
    find_one(connection, message_id)?.map(Row::record).transpose()
}

fn find_one(connection: &Connection, message_id: EventId) -> Result<Option<Row>, LedgerError> {
    let found = query(connection, select!("WHERE message_id = ?1"), params![message_id.as_uuid().as_bytes()])?;
    Ok(found.into_iter().next())
}

pub(super) fn find_by_session(
    connection: &Connection,
    backend: &BackendName,
    session_id: &SessionId,
) -> Result<Vec<Release>, LedgerError> {
    let held = query(
        connection,
        select!("WHERE backend = ?1 AND session_id = ?2 ORDER BY released_at"),
        params![backend.as_str(), session_id.as_str()],
    )?;
    held.into_iter().map(Row::release).collect()
}

pub(super) fn settle(
    connection: &Connection,
    message_id: EventId,
    session_id: &SessionId,
    outcome: Outcome,
    at: Timestamp,
) -> Result<Settled, LedgerError> {
    let held = find_one(connection, message_id)?.filter(|row| row.session_id.as_deref() == Some(session_id.as_str()));
    let Some(release) = held.map(Row::release).transpose()? else { return Ok(Settled::NotHolder) };
    if release.outcome.is_some_and(|known| !outcome.replaces().contains(&known)) {
        return Ok(Settled::Unchanged(release));
    }
    execute(
        connection,
        "UPDATE ledger_releases SET outcome = ?2, outcome_at = ?3, reopened_at = NULL, command = NULL \
         WHERE message_id = ?1",
        params![message_id.as_uuid().as_bytes(), outcome.as_str(), at.as_microsecond()],
    )?;
    Ok(Settled::Recorded(Release { outcome: Some(outcome), outcome_at: Some(kept(at)), ..release }))
}

pub(super) fn give_up(connection: &Connection, give_up: &GiveUp) -> Result<GaveUp, LedgerError> {
    let (outcome, detail) = row::written(&give_up.why);
    let changed = query(
        connection,
        concat!(
            "INSERT INTO ledger_releases (message_id, backend, correlation_id, attempt, outcome, outcome_at, detail) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (message_id) DO UPDATE SET \
                 outcome = CASE WHEN session_id IS NULL THEN excluded.outcome ELSE ?8 END, \
                 detail = CASE WHEN session_id IS NULL THEN excluded.detail END, \
                 attempt = CASE WHEN session_id IS NULL THEN excluded.attempt ELSE attempt END, \
                 outcome_at = excluded.outcome_at, reopened_at = NULL, command = NULL \
             WHERE reopened_at IS NOT NULL AND outcome IS NULL RETURNING ",
            columns!()
        ),
        params![
            give_up.message_id.as_uuid().as_bytes(),
            give_up.backend.as_str(),
            give_up.correlation_id.as_ref().map(SessionId::as_str),
            give_up.attempts,
            outcome,
            give_up.at.as_microsecond(),
            detail,
            row::unconfirmed(),
        ],
    )?;
    if let Some(changed) = changed.into_iter().next() {
        return match changed.record()? {
            Record::GivenUp(given_up) => Ok(GaveUp::Recorded(given_up)),
            Record::Released(release) => Ok(GaveUp::Released(release)),
            Record::Open => Err(LedgerError::unreadable(Fault::Incomplete)),
        };
    }
    match look_up(connection, give_up.message_id)? {
        Some(Record::GivenUp(given_up)) => Ok(GaveUp::Already(given_up)),
        Some(Record::Released(release)) => Ok(GaveUp::Released(release)),
        Some(Record::Open) | None => Err(LedgerError::unavailable(Fault::Changed)),
    }
}

pub(super) fn replay(
    connection: &Connection,
    message_id: EventId,
    given_up_before: Timestamp,
    at: Timestamp,
) -> Result<bool, LedgerError> {
    let opened = execute(
        connection,
        "UPDATE ledger_releases SET reopened_at = ?3, life = life + 1, outcome = NULL, outcome_at = NULL, detail = NULL \
         WHERE message_id = ?1 AND session_id IS NULL AND outcome_at < ?2",
        params![message_id.as_uuid().as_bytes(), given_up_before.as_microsecond(), at.as_microsecond()],
    )?;
    Ok(0 < opened)
}

pub(super) fn reopen(connection: &Connection, release: &Release, at: Timestamp) -> Result<bool, LedgerError> {
    let opened = execute(
        connection,
        "UPDATE ledger_releases SET reopened_at = ?4 \
         WHERE message_id = ?1 AND session_id = ?2 AND life = ?3 AND outcome IS NULL AND reopened_at IS NULL",
        params![
            release.message_id.as_uuid().as_bytes(),
            release.session_id.as_str(),
            release.life,
            at.as_microsecond()
        ],
    )?;
    Ok(0 < opened)
}

pub(super) fn commanded(
    connection: &Connection,
    message_id: EventId,
    reopened_at: Timestamp,
) -> Result<(), LedgerError> {
    execute(
        connection,
        "UPDATE ledger_releases SET command = NULL WHERE message_id = ?1 AND reopened_at = ?2",
        params![message_id.as_uuid().as_bytes(), reopened_at.as_microsecond()],
    )
    .map(drop)
}

pub(super) fn overdue(
    connection: &Connection,
    backend: &BackendName,
    released_before: Timestamp,
    limit: u32,
) -> Result<AllOverdue, LedgerError> {
    let rows = read(
        connection,
        select!(
            "WHERE backend = ?1 AND outcome IS NULL AND COALESCE(reopened_at, released_at) < ?2 \
             AND session_id IS NOT NULL AND (reopened_at IS NULL OR command IS NOT NULL) \
             ORDER BY COALESCE(reopened_at, released_at) LIMIT ?3"
        ),
        params![backend.as_str(), released_before.as_microsecond(), limit],
        overdue_row,
    )?;
    Ok(rows.into_iter().collect())
}

pub(super) fn count(connection: &Connection) -> Result<u64, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM ledger_releases").map_err(judge)?;
    let count: i64 = statement.query_row([], |row| row.get(0)).map_err(judge)?;
    u64::try_from(count).map_err(LedgerError::corrupt)
}

pub(super) fn prune(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64, LedgerError> {
    let ended = execute(
        connection,
        "DELETE FROM ledger_releases WHERE message_id IN (\
             SELECT message_id FROM ledger_releases WHERE outcome_at < ?1 ORDER BY outcome_at LIMIT ?2)",
        params![before.as_microsecond(), limit],
    )?;
    let unended = execute(
        connection,
        "DELETE FROM ledger_releases WHERE message_id IN (\
             SELECT message_id FROM ledger_releases \
             WHERE outcome IS NULL AND COALESCE(reopened_at, released_at) < ?1 \
             ORDER BY COALESCE(reopened_at, released_at) LIMIT ?2)",
        params![before.as_microsecond(), limit],
    )?;
    // A version that knew of no commands leaves them where it settles.
    execute(
        connection,
        "UPDATE ledger_releases SET command = NULL WHERE outcome IS NOT NULL AND command IS NOT NULL",
        params![],
    )?;
    u64::try_from(ended + unended).map_err(LedgerError::corrupt)
}

/// The transaction around it has taken the write lock: that is the proof.
pub(super) fn ping(connection: &Connection) -> Result<(), LedgerError> {
    query(connection, select!("LIMIT 0"), params![]).map(drop)
}

pub(super) fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, LedgerError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(judge)
}

fn query(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<Row>, LedgerError> {
    read(connection, sql, parameters, row)
}

pub(super) fn read<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl Fn(&rusqlite::Row<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = connection.prepare_cached(sql).map_err(judge)?;
    let mut found = statement.query(parameters).map_err(judge)?;
    let mut rows = Vec::new();
    while let Some(next) = found.next().map_err(judge)? {
        rows.push(read(next)?);
    }
    Ok(rows)
}

/// Reads a row of [`columns!`] as an overdue release, or says which message it is about and why that cannot be done.
fn overdue_row(found: &rusqlite::Row<'_>) -> Result<Result<Overdue, (EventId, LedgerError)>, LedgerError> {
    let message_id = EventId::from(Uuid::from_bytes(get(found, "message_id")?));
    Ok(row(found).and_then(Row::overdue).map_err(|error| (message_id, error)))
}

/// Reads a row of [`columns!`].
fn row(found: &rusqlite::Row<'_>) -> Result<Row, LedgerError> {
    let instant_of = |column| get::<Option<i64>>(found, column)?.map(instant).transpose();
    Ok(Row {
        message_id: Uuid::from_bytes(get(found, "message_id")?),
        session_id: get(found, "session_id")?,
        backend: get(found, "backend")?,
        correlation_id: get(found, "correlation_id")?,
        attempt: get(found, "attempt")?,
        life: get(found, "life")?,
        released_at: instant_of("released_at")?,
        reopened_at: instant_of("reopened_at")?,
        outcome: get(found, "outcome")?,
        outcome_at: instant_of("outcome_at")?,
        detail: get(found, "detail")?,
        command: get(found, "command")?,
    })
}

pub(super) fn get<T: FromSql>(row: &rusqlite::Row<'_>, column: &str) -> Result<T, LedgerError> {
    row.get(column).map_err(LedgerError::unreadable)
}

pub(super) fn instant(microseconds: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_microsecond(microseconds).map_err(LedgerError::unreadable)
}
