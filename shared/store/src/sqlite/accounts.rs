//! The record of texts and messages in SQL. Each operation runs inside a transaction that holds the write lock.

use std::collections::BTreeMap;
use std::error::Error;
use std::str::FromStr;

use protocol::{BackendName, EventId, SessionId, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row, params};
use uuid::Uuid;

use super::judge;
use crate::LedgerError;
use crate::account::{self, Account, Tally};
use crate::accounts::{Entry, Fact, Open, entries};
use crate::error::Fault;
use crate::standing::{Marks, Subject, open_in_sql, released_in_sql, replayable_in_sql, waiting_in_sql};

/// Selects entries; [`entry`] reads a row of it.
macro_rules! select {
    ($($rest:expr),+) => {
        concat!("SELECT subject, id, backend, correlation_id, marks, touched_at FROM account_entries ", $($rest),+)
    };
}

/// What ends every query for old entries.
macro_rules! rest {
    () => {
        " AND touched_at < ?1 ORDER BY touched_at LIMIT ?2"
    };
}

/// What ended and is to be forgotten. In this order the index has it, so that both who ask get the same.
macro_rules! forgettable {
    () => {
        concat!(
            "WHERE NOT ",
            open_in_sql!(),
            " AND touched_at < ?1 AND (touched_at < ?3 OR NOT ",
            replayable_in_sql!(),
            ") ORDER BY touched_at, subject, id LIMIT ?2"
        )
    };
}

/// A message that a session has, and whose result the ledger does not await since an instant.
macro_rules! stray {
    ($since:literal) => {
        concat!(
            "subject = 1 AND ",
            open_in_sql!(),
            " AND ",
            released_in_sql!(),
            " AND NOT EXISTS (SELECT 1 FROM ledger_releases \
               WHERE message_id = account_entries.id AND outcome IS NULL \
               AND COALESCE(reopened_at, released_at) >= ",
            $since,
            ")"
        )
    };
}

pub(super) fn record(connection: &Connection, facts: &[Fact]) -> Result<(), LedgerError> {
    let sql = "INSERT INTO account_entries (subject, id, backend, correlation_id, marks, touched_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (subject, id) DO UPDATE SET \
               backend = CASE WHEN (marks & 1) = (excluded.marks & 1) THEN min(backend, excluded.backend) \
                              WHEN marks & 1 THEN backend ELSE excluded.backend END, \
               correlation_id = coalesce(correlation_id, excluded.correlation_id), \
               marks = marks | excluded.marks, touched_at = max(touched_at, excluded.touched_at)";
    let mut statement = connection.prepare_cached(sql).map_err(judge)?;
    for Entry { subject, id, backend, correlation_id, marks, touched_at } in entries(facts) {
        let inserted = statement.execute(params![
            subject.number(),
            id.as_uuid().as_bytes(),
            backend.as_str(),
            correlation_id.as_ref().map(SessionId::as_str),
            marks.number(),
            touched_at.as_microsecond(),
        ]);
        inserted.map_err(judge)?;
    }
    Ok(())
}

pub(super) fn account(connection: &Connection, settled_before: Timestamp) -> Result<Account, LedgerError> {
    let sql = "SELECT subject, backend, marks, count(*), sum(touched_at < ?1) FROM account_entries \
               GROUP BY subject, backend, marks \
               UNION ALL SELECT subject, backend, marks, count, 0 FROM account_totals";
    let tallies = query(connection, sql, [settled_before.as_microsecond()], |row| {
        Ok(Tally {
            subject: subject(row, 0)?,
            backend: parse(&get::<String>(row, 1)?)?,
            marks: marks(row, 2)?,
            count: number(row, 3)?,
            old: number(row, 4)?,
        })
    })?;
    Ok(account::draw(tallies))
}

pub(super) fn open_entries(
    connection: &Connection,
    open: Open,
    settled_before: Timestamp,
    limit: u32,
) -> Result<Vec<Entry>, LedgerError> {
    let before = settled_before.as_microsecond();
    // The condition of the index stands in each, or SQLite would not see that it may use it.
    let waiting = match open {
        Open::Text => select!("WHERE subject = 0 AND ", open_in_sql!(), " AND ", waiting_in_sql!(), rest!()),
        Open::Message => select!("WHERE subject = 1 AND ", open_in_sql!(), " AND ", waiting_in_sql!(), rest!()),
        Open::Stray { awaited_since } => {
            let sql = select!("WHERE ", stray!("?3"), rest!());
            return query(connection, sql, params![before, limit, awaited_since.as_microsecond()], entry);
        }
    };
    query(connection, waiting, params![before, limit], entry)
}

pub(super) fn strays(
    connection: &Connection,
    awaited_since: Timestamp,
    settled_before: Timestamp,
) -> Result<BTreeMap<BackendName, u64>, LedgerError> {
    let sql = concat!(
        "SELECT backend, count(*) FROM account_entries WHERE ",
        stray!("?2"),
        " AND touched_at < ?1 GROUP BY backend"
    );
    let counted = |row: &Row<'_>| Ok((parse(&get::<String>(row, 0)?)?, number(row, 1)?));
    let parameters = params![settled_before.as_microsecond(), awaited_since.as_microsecond()];
    Ok(query(connection, sql, parameters, counted)?.into_iter().collect())
}

pub(super) fn unbegun(
    connection: &Connection,
    settled_before: Timestamp,
    limit: u32,
) -> Result<Vec<Entry>, LedgerError> {
    // 128 alone is named as a cause and nothing more; a session never begins.
    let sql = select!("WHERE subject < 2 AND marks & 1 = 0 AND marks <> 128", rest!());
    query(connection, sql, params![settled_before.as_microsecond(), limit], entry)
}

pub(super) fn forget(
    connection: &Connection,
    touched_before: Timestamp,
    replayable_before: Timestamp,
    limit: u32,
) -> Result<u64, LedgerError> {
    let parameters = params![touched_before.as_microsecond(), limit, replayable_before.as_microsecond()];
    let fold = concat!(
        "INSERT INTO account_totals (subject, backend, marks, count) \
         SELECT subject, backend, marks, count(*) FROM (SELECT subject, backend, marks FROM account_entries ",
        forgettable!(),
        ") WHERE true GROUP BY subject, backend, marks \
         ON CONFLICT (subject, backend, marks) DO UPDATE SET count = count + excluded.count"
    );
    execute(connection, fold, parameters)?;
    let delete = concat!(
        "DELETE FROM account_entries WHERE (subject, id) IN (SELECT subject, id FROM account_entries ",
        forgettable!(),
        ")"
    );
    u64::try_from(execute(connection, delete, parameters)?).map_err(LedgerError::corrupt)
}

fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, LedgerError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(judge)
}

fn query<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = connection.prepare_cached(sql).map_err(judge)?;
    let mut rows = statement.query(parameters).map_err(judge)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(judge)? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// Reads a row of [`select!`].
fn entry(row: &Row<'_>) -> Result<Entry, LedgerError> {
    Ok(Entry {
        subject: subject(row, 0)?,
        id: EventId::from(Uuid::from_bytes(get(row, 1)?)),
        backend: parse(&get::<String>(row, 2)?)?,
        correlation_id: get::<Option<String>>(row, 3)?.as_deref().map(parse).transpose()?,
        marks: marks(row, 4)?,
        touched_at: Timestamp::from_microsecond(get(row, 5)?).map_err(LedgerError::corrupt)?,
    })
}

fn subject(row: &Row<'_>, column: usize) -> Result<Subject, LedgerError> {
    Subject::of_number(get(row, column)?).ok_or_else(|| LedgerError::corrupt(Fault::Unknown("subject")))
}

fn marks(row: &Row<'_>, column: usize) -> Result<Marks, LedgerError> {
    Marks::of_number(get(row, column)?).ok_or_else(|| LedgerError::corrupt(Fault::Unknown("marks")))
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, LedgerError> {
    u64::try_from(get::<i64>(row, column)?).map_err(LedgerError::corrupt)
}

fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T, LedgerError> {
    row.get(column).map_err(LedgerError::corrupt)
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::corrupt)
}
