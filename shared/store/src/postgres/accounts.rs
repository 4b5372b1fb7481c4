//! The record of texts and messages in SQL. Each operation is one transaction.

use std::collections::BTreeMap;
use std::error::Error;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use deadpool_postgres::Transaction;
use protocol::{BackendName, EventId, SessionId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use super::lent::{Failure, Lent};
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
        " AND touched_at < $1 ORDER BY touched_at LIMIT $2"
    };
}

/// A message that a session has, and whose result the ledger does not await since an instant.
macro_rules! stray {
    ($since:literal) => {
        concat!(
            "subject = 1 AND ",
            released_in_sql!(),
            " AND NOT EXISTS (SELECT 1 FROM ledger_releases \
               WHERE message_id = account_entries.id AND outcome IS NULL \
               AND COALESCE(reopened_at, released_at) >= ",
            $since,
            ")"
        )
    };
}

/// What ended and is to be forgotten.
macro_rules! forgettable {
    () => {
        concat!("touched_at < $1 AND NOT ", open_in_sql!(), " AND (touched_at < $3 OR NOT ", replayable_in_sql!(), ")")
    };
}

/// The longest wait for an answer that many entries are read or written for. Nobody's call waits for it.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(35);
/// The server gives up a statement before its caller does.
pub(super) const PATIENCE: &str = "SET LOCAL statement_timeout = '30s'";

pub(super) async fn record(client: Lent, facts: &[Fact]) -> Result<(), Failure> {
    let entries = entries(facts);
    let subjects: Vec<i16> = entries.iter().map(|entry| entry.subject.number()).collect();
    let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id.as_uuid()).collect();
    let backends: Vec<&str> = entries.iter().map(|entry| entry.backend.as_str()).collect();
    let correlation_ids: Vec<Option<&str>> =
        entries.iter().map(|entry| entry.correlation_id.as_ref().map(SessionId::as_str)).collect();
    let marks: Vec<i32> = entries.iter().map(|entry| entry.marks.number()).collect();
    let touched: Vec<SystemTime> = entries.iter().map(|entry| entry.touched_at.into()).collect();
    let sql = "INSERT INTO account_entries AS e (subject, id, backend, correlation_id, marks, touched_at) \
               SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::integer[], \
                                    $6::timestamptz[]) \
               ON CONFLICT (subject, id) DO UPDATE SET \
               backend = CASE WHEN (e.marks & 1) = (excluded.marks & 1) \
                                   THEN least(e.backend COLLATE \"C\", excluded.backend COLLATE \"C\") \
                              WHEN e.marks & 1 = 1 THEN e.backend ELSE excluded.backend END, \
               correlation_id = coalesce(e.correlation_id, excluded.correlation_id), \
               marks = e.marks | excluded.marks, touched_at = greatest(e.touched_at, excluded.touched_at)";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&subjects, &ids, &backends, &correlation_ids, &marks, &touched]).await?;
    Ok(())
}

pub(super) async fn account(client: Lent, settled_before: Timestamp) -> Result<Account, Failure> {
    let sql = "SELECT subject, backend, marks, count(*), count(*) FILTER (WHERE touched_at < $1) \
               FROM account_entries GROUP BY subject, backend, marks \
               UNION ALL SELECT subject, backend, marks, count, 0::bigint FROM account_totals";
    let tallies = query(client, sql, &[&SystemTime::from(settled_before)], |row| {
        Ok(Tally {
            subject: subject(row, 0)?,
            backend: parse(get(row, 1)?)?,
            marks: marks(row, 2)?,
            count: number(row, 3)?,
            old: number(row, 4)?,
        })
    })
    .await?;
    Ok(account::draw(tallies))
}

pub(super) async fn open_entries(
    client: Lent,
    open: Open,
    settled_before: Timestamp,
    limit: u32,
) -> Result<Vec<Entry>, Failure> {
    let (before, limit) = (SystemTime::from(settled_before), i64::from(limit));
    let waiting = match open {
        Open::Text => select!("WHERE subject = 0 AND ", waiting_in_sql!(), rest!()),
        Open::Message => select!("WHERE subject = 1 AND ", waiting_in_sql!(), rest!()),
        Open::Stray { awaited_since } => {
            let sql = select!("WHERE ", stray!("$3"), rest!());
            return query(client, sql, &[&before, &limit, &SystemTime::from(awaited_since)], entry).await;
        }
    };
    query(client, waiting, &[&before, &limit], entry).await
}

pub(super) async fn strays(
    client: Lent,
    awaited_since: Timestamp,
    settled_before: Timestamp,
) -> Result<BTreeMap<BackendName, u64>, Failure> {
    let sql = concat!(
        "SELECT backend, count(*) FROM account_entries WHERE ",
        stray!("$2"),
        " AND touched_at < $1 GROUP BY backend"
    );
    let counted = |row: &Row| Ok((parse(get(row, 0)?)?, number(row, 1)?));
    let parameters: [&(dyn ToSql + Sync); 2] = [&SystemTime::from(settled_before), &SystemTime::from(awaited_since)];
    Ok(query(client, sql, &parameters, counted).await?.into_iter().collect())
}

pub(super) async fn unbegun(client: Lent, settled_before: Timestamp, limit: u32) -> Result<Vec<Entry>, Failure> {
    // 128 alone is named as a cause and nothing more; a session never begins.
    let sql = select!("WHERE subject < 2 AND marks & 1 = 0 AND marks <> 128", rest!());
    query(client, sql, &[&SystemTime::from(settled_before), &i64::from(limit)], entry).await
}

pub(super) async fn forget(
    mut client: Lent,
    touched_before: Timestamp,
    replayable_before: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    // The condition stands twice, so that an entry which is touched at this moment is looked at again and kept.
    let sql = concat!(
        "WITH gone AS (DELETE FROM account_entries WHERE ",
        forgettable!(),
        " AND (subject, id) IN (SELECT subject, id FROM account_entries WHERE ",
        forgettable!(),
        " ORDER BY touched_at LIMIT $2) RETURNING subject, backend, marks), \
         folded AS (INSERT INTO account_totals AS t (subject, backend, marks, count) \
             SELECT subject, backend, marks, count(*) FROM gone GROUP BY subject, backend, marks \
             ORDER BY subject, backend, marks \
             ON CONFLICT (subject, backend, marks) DO UPDATE SET count = t.count + excluded.count) \
         SELECT count(*) FROM gone"
    );
    let transaction = patient(&mut client).await?;
    let statement = transaction.prepare_cached(sql).await?;
    let parameters: [&(dyn ToSql + Sync); 3] =
        [&SystemTime::from(touched_before), &i64::from(limit), &SystemTime::from(replayable_before)];
    let row = transaction.query_one(&statement, &parameters).await?;
    transaction.commit().await?;
    Ok(number(&row, 0)?)
}

/// Begins a transaction whose statements may take longer than a claim may wait.
async fn patient(client: &mut Lent) -> Result<Transaction<'_>, Failure> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(PATIENCE).await?;
    Ok(transaction)
}

async fn query<T>(
    mut client: Lent,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    read: impl Fn(&Row) -> Result<T, LedgerError>,
) -> Result<Vec<T>, Failure> {
    let transaction = patient(&mut client).await?;
    let statement = transaction.prepare_cached(sql).await?;
    let rows = transaction.query(&statement, parameters).await?;
    transaction.commit().await?;
    Ok(rows.iter().map(read).collect::<Result<_, LedgerError>>()?)
}

/// Reads a row of [`select!`].
fn entry(row: &Row) -> Result<Entry, LedgerError> {
    Ok(Entry {
        subject: subject(row, 0)?,
        id: EventId::from(get::<Uuid>(row, 1)?),
        backend: parse(get(row, 2)?)?,
        correlation_id: get::<Option<&str>>(row, 3)?.map(parse).transpose()?,
        marks: marks(row, 4)?,
        touched_at: Timestamp::try_from(get::<SystemTime>(row, 5)?).map_err(LedgerError::corrupt)?,
    })
}

fn subject(row: &Row, column: usize) -> Result<Subject, LedgerError> {
    Subject::of_number(get(row, column)?).ok_or_else(|| LedgerError::corrupt(Fault::Unknown("subject")))
}

fn marks(row: &Row, column: usize) -> Result<Marks, LedgerError> {
    Marks::of_number(get(row, column)?).ok_or_else(|| LedgerError::corrupt(Fault::Unknown("marks")))
}

fn number(row: &Row, column: usize) -> Result<u64, LedgerError> {
    u64::try_from(get::<i64>(row, column)?).map_err(LedgerError::corrupt)
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, LedgerError> {
    row.try_get(column).map_err(LedgerError::corrupt)
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::corrupt)
}
