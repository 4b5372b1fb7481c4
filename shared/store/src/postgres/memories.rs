//! What applications remember, in SQL.

use std::collections::BTreeMap;
use std::time::SystemTime;

use protocol::{EventId, Timestamp};

use super::consents;
use super::lent::{Failure, Lent};
use super::rows::{execute, get, instant, rows};
use crate::LedgerError;
use crate::ledger::kept;
use crate::memory::{Change, Keep, Kept, Memory, MemoryKey, TALLY_MAX, in_order};

pub(super) async fn recall(client: Lent, keys: &[MemoryKey]) -> Result<Vec<Memory>, Failure> {
    let applications: Vec<&str> = keys.iter().map(|key| key.application.as_str()).collect();
    let backends: Vec<&str> = keys.iter().map(|key| key.backend.as_str()).collect();
    let people: Vec<&str> = keys.iter().map(|key| key.person.as_str()).collect();
    let sql = "SELECT application, backend, person, value, version, changed_at FROM memories \
               WHERE (application, backend, person) IN \
                   (SELECT * FROM unnest($1::text[], $2::text[], $3::text[])) AND value IS NOT NULL";
    rows(&client, sql, &[&applications, &backends, &people], |row| {
        Ok(Memory {
            key: MemoryKey {
                application: get(row, "application")?,
                backend: get::<&str>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
                person: get::<&str>(row, "person")?.parse().map_err(LedgerError::unreadable)?,
            },
            value: get(row, "value")?,
            version: number(get(row, "version")?)?,
            changed_at: instant(get(row, "changed_at")?)?,
        })
    })
    .await
}

pub(super) async fn recorded(client: Lent, text: EventId) -> Result<Option<String>, Failure> {
    record(&client, text).await
}

async fn record(client: &Lent, text: EventId) -> Result<Option<String>, Failure> {
    let sql = "SELECT record FROM memory_records WHERE text_id = $1";
    Ok(rows(client, sql, &[&text.as_uuid()], |row| get(row, "record")).await?.pop())
}

pub(super) async fn keep(client: Lent, keep: &Keep) -> Result<Kept, Failure> {
    client.begin().await?;
    let is_first = execute(
        &client,
        "INSERT INTO memory_records (text_id, record, kept_at) VALUES ($1, $2, $3) ON CONFLICT (text_id) DO NOTHING",
        &[&keep.text.as_uuid(), &keep.record, &SystemTime::from(kept(keep.at))],
    )
    .await?;
    if is_first == 0 {
        // The statement waited for whoever was first, so that is committed, and a new statement sees it.
        let record = record(&client, keep.text).await?;
        client.roll_back().await?;
        // It was forgotten in this moment.
        return Ok(record.map_or(Kept::Stale, Kept::Before));
    }
    for change in in_order(&keep.changes) {
        if !is_changed(&client, change, keep.at).await? {
            client.roll_back().await?;
            return Ok(Kept::Stale);
        }
    }
    if let Some(change) = &keep.consent {
        consents::record(&client, change).await?;
    }
    client.commit().await?;
    Ok(Kept::Now)
}

/// Changes a memory, if it is at the version that was seen; whether that is so.
async fn is_changed(client: &Lent, change: &Change, at: Timestamp) -> Result<bool, Failure> {
    let Change { key: MemoryKey { application, backend, person }, seen, value } = change;
    let (backend, person, at) = (backend.as_str(), person.as_str(), SystemTime::from(kept(at)));
    let changed = if *seen == 0 {
        execute(
            client,
            "INSERT INTO memories AS known (application, backend, person, value, version, changed_at) \
             VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (application, backend, person) DO UPDATE SET \
             value = excluded.value, version = known.version + 1, changed_at = excluded.changed_at \
             WHERE known.value IS NULL",
            &[application, &backend, &person, value, &at],
        )
        .await
    } else {
        let seen = i64::try_from(*seen).map_err(LedgerError::unreadable)?;
        execute(
            client,
            "UPDATE memories SET value = $4, version = version + 1, changed_at = $5 \
             WHERE application = $1 AND backend = $2 AND person = $3 AND version = $6 AND value IS NOT NULL",
            &[application, &backend, &person, value, &at, &seen],
        )
        .await
    };
    changed.map(|rows| 0 < rows)
}

pub(super) async fn tally(client: Lent, application: &str) -> Result<BTreeMap<String, u64>, Failure> {
    // The condition is that of the index, so that this need not go through everything that is remembered.
    let sql = "SELECT value, count(*) AS people FROM memories WHERE application = $1 AND length(value) <= 500 \
               GROUP BY value ORDER BY people DESC, value COLLATE \"C\" LIMIT $2";
    let counted = rows(&client, sql, &[&application, &i64::from(TALLY_MAX)], |row| {
        Ok((get(row, "value")?, number(get(row, "people")?)?))
    })
    .await?;
    Ok(counted.into_iter().collect())
}

pub(super) async fn forget(
    client: Lent,
    kept_before: Timestamp,
    changed_before: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    // The condition stands twice where a row may change at this moment: it is looked at again then, and kept.
    let statements = [
        (
            "DELETE FROM memory_records WHERE text_id IN \
             (SELECT text_id FROM memory_records WHERE kept_at < $1 ORDER BY kept_at LIMIT $2)",
            kept_before,
        ),
        (
            "DELETE FROM memories WHERE value IS NULL AND changed_at < $1 AND (application, backend, person) IN \
             (SELECT application, backend, person FROM memories WHERE value IS NULL AND changed_at < $1 \
              ORDER BY changed_at LIMIT $2)",
            kept_before,
        ),
        (
            "DELETE FROM consent_changes WHERE cause IN \
             (SELECT cause FROM consent_changes WHERE choice IS NULL AND at < $1 ORDER BY at LIMIT $2)",
            kept_before,
        ),
        (
            "DELETE FROM memories WHERE changed_at < $1 AND (application, backend, person) IN \
             (SELECT application, backend, person FROM memories WHERE changed_at < $1 ORDER BY changed_at LIMIT $2)",
            changed_before,
        ),
    ];
    let mut forgotten = 0;
    for (sql, before) in statements {
        forgotten += execute(&client, sql, &[&SystemTime::from(kept(before)), &i64::from(limit)]).await?;
    }
    Ok(forgotten)
}

fn number(number: i64) -> Result<u64, LedgerError> {
    u64::try_from(number).map_err(LedgerError::unreadable)
}
