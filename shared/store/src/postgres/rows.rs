//! The operations of the ledger in SQL. Each statement is a transaction of its own; claims are in a module of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::{BackendName, EventId, SessionId, Timestamp};
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use super::group::Answers;
use super::lent::{Failure, Lent};
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
pub(super) use columns;

/// Selects rows.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM ledger_releases ", $rest)
    };
}

pub(super) async fn find(client: Lent, message_ids: &[EventId]) -> Result<Vec<Release>, Failure> {
    let message_ids: Vec<Uuid> = message_ids.iter().map(|id| id.as_uuid()).collect();
    let found = query(
        &client,
        select!(
            "WHERE message_id = ANY($1) AND session_id IS NOT NULL AND (outcome IS NOT NULL OR reopened_at IS NULL)"
        ),
        &[&message_ids],
    )
    .await?;
    releases(found)
}

pub(super) async fn look_up(client: Lent, message_ids: Arc<[EventId]>) -> Result<Answers<Option<Record>>, Failure> {
    let ids: Vec<Uuid> = message_ids.iter().map(|id| id.as_uuid()).collect();
    let found = query(&client, select!("WHERE message_id = ANY($1)"), &[&ids]).await?;
    let mut found: HashMap<Uuid, Row> = found.into_iter().map(|row| (row.message_id, row)).collect();
    let records = ids.iter().map(|id| found.remove(id).map(Row::record).transpose());
    Ok(records.map(Some).collect())
}

pub(super) async fn record(client: &Lent, message_id: EventId) -> Result<Option<Record>, Failure> {
    Ok(find_one(client, message_id).await?.map(Row::record).transpose()?)
}

async fn find_one(client: &Lent, message_id: EventId) -> Result<Option<Row>, Failure> {
    let found = query(client, select!("WHERE message_id = $1"), &[&message_id.as_uuid()]).await?;
    Ok(found.into_iter().next())
}

pub(super) async fn find_by_session(
    client: Lent,
    backend: &BackendName,
    session_id: &SessionId,
) -> Result<Vec<Release>, Failure> {
    let held = query(
        &client,
        select!("WHERE backend = $1 AND session_id = $2 ORDER BY released_at"),
        &[&backend.as_str(), &session_id.as_str()],
    )
    .await?;
    releases(held)
}

/// How a release ended, as a session says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Settlement {
    pub(super) message_id: EventId,
    pub(super) session_id: SessionId,
    pub(super) outcome: Outcome,
    pub(super) at: Timestamp,
}

pub(super) async fn settle(client: Lent, settlements: Arc<[Settlement]>) -> Result<Answers<Settled>, Failure> {
    let message_ids: Vec<Uuid> = settlements.iter().map(|settled| settled.message_id.as_uuid()).collect();
    let sessions: Vec<&str> = settlements.iter().map(|settled| settled.session_id.as_str()).collect();
    let outcomes: Vec<&str> = settlements.iter().map(|settled| settled.outcome.as_str()).collect();
    let times: Vec<SystemTime> = settlements.iter().map(|settled| SystemTime::from(kept(settled.at))).collect();
    // One list for each, with commas between its words.
    let replaced: Vec<String> = settlements
        .iter()
        .map(|settled| settled.outcome.replaces().iter().map(|known| known.as_str()).collect::<Vec<_>>().join(","))
        .collect();
    let updated = query(
        &client,
        concat!(
            "UPDATE ledger_releases SET outcome = asked.result, outcome_at = asked.at, reopened_at = NULL, command = NULL \
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[]) \
                 AS asked (id, session, result, at, replaced) \
             WHERE message_id = asked.id AND session_id = asked.session \
                 AND (outcome IS NULL OR outcome = ANY(string_to_array(asked.replaced, ','))) RETURNING ",
            columns!()
        ),
        &[&message_ids, &sessions, &outcomes, &times, &replaced],
    )
    .await?;
    let mut updated: HashMap<Uuid, Row> = updated.into_iter().map(|row| (row.message_id, row)).collect();
    let mut answers = Vec::with_capacity(settlements.len());
    for (settlement, id) in settlements.iter().zip(message_ids) {
        answers.push(Some(match updated.remove(&id) {
            Some(updated) => updated.release().map(Settled::Recorded),
            None => Ok(unsettled(&client, settlement).await?),
        }));
    }
    Ok(answers)
}

/// Why nothing was recorded.
async fn unsettled(client: &Lent, settlement: &Settlement) -> Result<Settled, Failure> {
    let known = find_one(client, settlement.message_id).await?;
    let held = known.filter(|known| known.session_id.as_deref() == Some(settlement.session_id.as_str()));
    Ok(held.map(Row::release).transpose()?.map_or(Settled::NotHolder, Settled::Unchanged))
}

pub(super) async fn give_up(client: Lent, give_up: &GiveUp) -> Result<GaveUp, Failure> {
    given_up(&client, give_up).await
}

pub(super) async fn given_up(client: &Lent, give_up: &GiveUp) -> Result<GaveUp, Failure> {
    let (outcome, detail) = row::written(&give_up.why);
    let changed = query(
        client,
        concat!(
            "INSERT INTO ledger_releases AS known \
                 (message_id, backend, correlation_id, attempt, outcome, outcome_at, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (message_id) DO UPDATE SET \
                 outcome = CASE WHEN known.session_id IS NULL THEN excluded.outcome ELSE $8 END, \
                 detail = CASE WHEN known.session_id IS NULL THEN excluded.detail END, \
                 attempt = CASE WHEN known.session_id IS NULL THEN excluded.attempt ELSE known.attempt END, \
                 outcome_at = excluded.outcome_at, reopened_at = NULL, command = NULL \
             WHERE known.reopened_at IS NOT NULL AND known.outcome IS NULL RETURNING ",
            columns!()
        ),
        &[
            &give_up.message_id.as_uuid(),
            &give_up.backend.as_str(),
            &give_up.correlation_id.as_ref().map(SessionId::as_str),
            &i64::from(give_up.attempts),
            &outcome,
            &SystemTime::from(kept(give_up.at)),
            &detail,
            &row::unconfirmed(),
        ],
    )
    .await?;
    if let Some(changed) = changed.into_iter().next() {
        return match changed.record()? {
            Record::GivenUp(given_up) => Ok(GaveUp::Recorded(given_up)),
            Record::Released(release) => Ok(GaveUp::Released(release)),
            Record::Open => Err(LedgerError::unreadable(Fault::Incomplete).into()),
        };
    }
    match record(client, give_up.message_id).await? {
        Some(Record::GivenUp(given_up)) => Ok(GaveUp::Already(given_up)),
        Some(Record::Released(release)) => Ok(GaveUp::Released(release)),
        Some(Record::Open) | None => Err(LedgerError::unavailable(Fault::Changed).into()),
    }
}

pub(super) async fn replay(
    client: Lent,
    message_id: EventId,
    given_up_before: Timestamp,
    at: Timestamp,
) -> Result<bool, Failure> {
    let opened = execute(
        &client,
        "UPDATE ledger_releases SET reopened_at = $3, life = life + 1, outcome = NULL, outcome_at = NULL, detail = NULL \
         WHERE message_id = $1 AND session_id IS NULL AND outcome_at < $2",
        &[&message_id.as_uuid(), &SystemTime::from(kept(given_up_before)), &SystemTime::from(kept(at))],
    )
    .await?;
    Ok(0 < opened)
}

pub(super) async fn reopen(client: Lent, release: &Release, at: Timestamp) -> Result<bool, Failure> {
    let opened = execute(
        &client,
        "UPDATE ledger_releases SET reopened_at = $4 \
         WHERE message_id = $1 AND session_id = $2 AND life = $3 AND outcome IS NULL AND reopened_at IS NULL",
        &[
            &release.message_id.as_uuid(),
            &release.session_id.as_str(),
            &i64::from(release.life),
            &SystemTime::from(kept(at)),
        ],
    )
    .await?;
    Ok(0 < opened)
}

pub(super) async fn commanded(client: Lent, message_id: EventId, reopened_at: Timestamp) -> Result<(), Failure> {
    execute(
        &client,
        "UPDATE ledger_releases SET command = NULL WHERE message_id = $1 AND reopened_at = $2",
        &[&message_id.as_uuid(), &SystemTime::from(kept(reopened_at))],
    )
    .await
    .map(drop)
}

pub(super) async fn overdue(
    client: Lent,
    backend: &BackendName,
    released_before: Timestamp,
    limit: u32,
) -> Result<AllOverdue, Failure> {
    let sql = select!(
        "WHERE backend = $1 AND outcome IS NULL AND COALESCE(reopened_at, released_at) < $2 \
         AND session_id IS NOT NULL AND (reopened_at IS NULL OR command IS NOT NULL) \
         ORDER BY COALESCE(reopened_at, released_at) LIMIT $3"
    );
    let parameters: [&(dyn ToSql + Sync); 3] =
        [&backend.as_str(), &SystemTime::from(released_before), &i64::from(limit)];
    Ok(rows(&client, sql, &parameters, overdue_row).await?.into_iter().collect())
}

pub(super) async fn count(client: Lent) -> Result<u64, Failure> {
    let statement = client.answer(client.prepare_cached("SELECT count(*) FROM ledger_releases")).await?;
    let row = client.answer(client.query_one(&statement, &[])).await?;
    let count: i64 = row.try_get(0).map_err(LedgerError::corrupt)?;
    Ok(u64::try_from(count).map_err(LedgerError::corrupt)?)
}

pub(super) async fn prune(client: Lent, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    // The condition stands twice, so that a message which is settled anew, claimed or replayed at this moment is looked
    // at again and kept.
    let ended = execute(
        &client,
        "DELETE FROM ledger_releases WHERE outcome_at < $1 AND message_id IN (\
             SELECT message_id FROM ledger_releases WHERE outcome_at < $1 ORDER BY outcome_at LIMIT $2)",
        &[&SystemTime::from(before), &i64::from(limit)],
    )
    .await?;
    let unended = execute(
        &client,
        "DELETE FROM ledger_releases WHERE outcome IS NULL AND COALESCE(reopened_at, released_at) < $1 \
         AND message_id IN (\
             SELECT message_id FROM ledger_releases \
             WHERE outcome IS NULL AND COALESCE(reopened_at, released_at) < $1 \
             ORDER BY COALESCE(reopened_at, released_at) LIMIT $2)",
        &[&SystemTime::from(before), &i64::from(limit)],
    )
    .await?;
    // A version that knew of no commands leaves them where it settles.
    execute(
        &client,
        "UPDATE ledger_releases SET command = NULL WHERE outcome IS NOT NULL AND command IS NOT NULL",
        &[],
    )
    .await?;
    Ok(ended + unended)
}

/// A server that takes no writes is of no use, so it counts as away.
pub(super) async fn ping(client: Lent) -> Result<(), Failure> {
    query(&client, select!("LIMIT 0"), &[]).await?;
    let statement = client.answer(client.prepare_cached("SELECT current_setting('transaction_read_only')")).await?;
    let row = client.answer(client.query_one(&statement, &[])).await?;
    let read_only: &str = row.try_get(0).map_err(LedgerError::corrupt)?;
    if read_only == "on" { Err(client.read_only()) } else { Ok(()) }
}

pub(super) async fn execute(client: &Lent, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Failure> {
    let statement = client.answer(client.prepare_cached(sql)).await?;
    client.answer(client.execute(&statement, parameters)).await
}

/// Reads the rows that a statement returns as [`columns!`].
pub(super) async fn query(client: &Lent, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    rows(client, sql, parameters, row).await
}

pub(super) async fn rows<T>(
    client: &Lent,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    read: impl Fn(&tokio_postgres::Row) -> Result<T, LedgerError>,
) -> Result<Vec<T>, Failure> {
    let statement = client.answer(client.prepare_cached(sql)).await?;
    let found = client.answer(client.query(&statement, parameters)).await?;
    Ok(found.iter().map(read).collect::<Result<_, LedgerError>>()?)
}

fn releases(rows: Vec<Row>) -> Result<Vec<Release>, Failure> {
    Ok(rows.into_iter().map(Row::release).collect::<Result<_, LedgerError>>()?)
}

/// Reads a row of [`columns!`] as an overdue release, or says which message it is about and why that cannot be done.
fn overdue_row(found: &tokio_postgres::Row) -> Result<Result<Overdue, (EventId, LedgerError)>, LedgerError> {
    let message_id = EventId::from(get::<Uuid>(found, "message_id")?);
    Ok(row(found).and_then(Row::overdue).map_err(|error| (message_id, error)))
}

/// Reads a row of [`columns!`].
fn row(found: &tokio_postgres::Row) -> Result<Row, LedgerError> {
    let number = |column| u32::try_from(get::<i64>(found, column)?).map_err(LedgerError::unreadable);
    let instant_of = |column| get::<Option<SystemTime>>(found, column)?.map(instant).transpose();
    Ok(Row {
        message_id: get(found, "message_id")?,
        session_id: get(found, "session_id")?,
        backend: get(found, "backend")?,
        correlation_id: get(found, "correlation_id")?,
        attempt: number("attempt")?,
        life: number("life")?,
        released_at: instant_of("released_at")?,
        reopened_at: instant_of("reopened_at")?,
        outcome: get(found, "outcome")?,
        outcome_at: instant_of("outcome_at")?,
        detail: get(found, "detail")?,
        command: get(found, "command")?,
    })
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a tokio_postgres::Row, column: &str) -> Result<T, LedgerError> {
    row.try_get(column).map_err(LedgerError::unreadable)
}

pub(super) fn instant(at: SystemTime) -> Result<Timestamp, LedgerError> {
    Timestamp::try_from(at).map_err(LedgerError::unreadable)
}
