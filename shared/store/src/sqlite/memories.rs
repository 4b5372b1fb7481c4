//! What applications remember, in SQL. Each operation runs inside a transaction; what writes, in one that holds the
//! write lock.

use std::collections::BTreeMap;

use protocol::{EventId, Timestamp};
use rusqlite::{Connection, params};

use super::rows::{execute, get, instant, read};
use super::{consents, judge};
use crate::LedgerError;
use crate::memory::{Change, Keep, Kept, Memory, MemoryKey, TALLY_MAX, in_order};

pub(super) fn recall(connection: &Connection, keys: &[MemoryKey]) -> Result<Vec<Memory>, LedgerError> {
    let sql = "SELECT value, version, changed_at FROM memories \
               WHERE application = ?1 AND backend = ?2 AND person = ?3 AND value IS NOT NULL";
    let mut memories = Vec::new();
    for key in keys {
        let parameters = params![key.application, key.backend.as_str(), key.person.as_str()];
        memories.extend(read(connection, sql, parameters, |row| {
            Ok(Memory {
                key: key.clone(),
                value: get(row, "value")?,
                version: number(get(row, "version")?)?,
                changed_at: instant(get(row, "changed_at")?)?,
            })
        })?);
    }
    Ok(memories)
}

pub(super) fn recorded(connection: &Connection, text: EventId) -> Result<Option<String>, LedgerError> {
    let sql = "SELECT record FROM memory_records WHERE text_id = ?1";
    Ok(read(connection, sql, [text.as_uuid().as_bytes()], |row| get(row, "record"))?.pop())
}

/// Others share the transaction around it, so what is not kept as a whole is taken back here.
pub(super) fn keep(connection: &Connection, keep: &Keep) -> Result<Kept, LedgerError> {
    connection.execute_batch("SAVEPOINT keep").map_err(judge)?;
    let kept = keep_all(connection, keep);
    let end = if matches!(kept, Ok(Kept::Now)) { "RELEASE keep" } else { "ROLLBACK TO keep; RELEASE keep" };
    // Where SQLite has rolled back everything by itself, the transaction fails, and says so better.
    if !connection.is_autocommit() {
        connection.execute_batch(end).map_err(judge)?;
    }
    kept
}

fn keep_all(connection: &Connection, keep: &Keep) -> Result<Kept, LedgerError> {
    if let Some(record) = recorded(connection, keep.text)? {
        return Ok(Kept::Before(record));
    }
    for change in in_order(&keep.changes) {
        if !is_changed(connection, change, keep.at)? {
            return Ok(Kept::Stale);
        }
    }
    if let Some(change) = &keep.consent {
        consents::change(connection, change)?;
    }
    execute(
        connection,
        "INSERT INTO memory_records (text_id, record, kept_at) VALUES (?1, ?2, ?3)",
        params![keep.text.as_uuid().as_bytes(), keep.record, keep.at.as_microsecond()],
    )?;
    Ok(Kept::Now)
}

/// Changes a memory, if it is at the version that was seen; whether that is so.
fn is_changed(connection: &Connection, change: &Change, at: Timestamp) -> Result<bool, LedgerError> {
    let Change { key: MemoryKey { application, backend, person }, seen, value } = change;
    let (backend, person, at) = (backend.as_str(), person.as_str(), at.as_microsecond());
    let changed = if *seen == 0 {
        execute(
            connection,
            "INSERT INTO memories (application, backend, person, value, version, changed_at) \
             VALUES (?1, ?2, ?3, ?4, 1, ?5) ON CONFLICT (application, backend, person) DO UPDATE SET \
             value = excluded.value, version = version + 1, changed_at = excluded.changed_at WHERE value IS NULL",
            params![application, backend, person, value, at],
        )
    } else {
        execute(
            connection,
            "UPDATE memories SET value = ?4, version = version + 1, changed_at = ?5 \
             WHERE application = ?1 AND backend = ?2 AND person = ?3 AND version = ?6 AND value IS NOT NULL",
            params![application, backend, person, value, at, i64::try_from(*seen).map_err(LedgerError::unreadable)?],
        )
    };
    changed.map(|rows| 0 < rows)
}

pub(super) fn tally(connection: &Connection, application: &str) -> Result<BTreeMap<String, u64>, LedgerError> {
    // The condition is that of the index, so that this need not go through everything that is remembered.
    let sql = "SELECT value, count(*) AS people FROM memories WHERE application = ?1 AND length(value) <= 500 \
               GROUP BY value ORDER BY people DESC, value LIMIT ?2";
    let counted = read(connection, sql, params![application, TALLY_MAX], |row| {
        Ok((get(row, "value")?, number(get(row, "people")?)?))
    })?;
    Ok(counted.into_iter().collect())
}

pub(super) fn forget(
    connection: &Connection,
    kept_before: Timestamp,
    changed_before: Timestamp,
    limit: u32,
) -> Result<u64, LedgerError> {
    let statements = [
        (
            "DELETE FROM memory_records WHERE text_id IN \
             (SELECT text_id FROM memory_records WHERE kept_at < ?1 ORDER BY kept_at LIMIT ?2)",
            kept_before,
        ),
        (
            "DELETE FROM memories WHERE (application, backend, person) IN \
             (SELECT application, backend, person FROM memories WHERE value IS NULL AND changed_at < ?1 \
              ORDER BY changed_at LIMIT ?2)",
            kept_before,
        ),
        (
            "DELETE FROM consent_changes WHERE cause IN \
             (SELECT cause FROM consent_changes WHERE choice IS NULL AND at < ?1 ORDER BY at LIMIT ?2)",
            kept_before,
        ),
        (
            "DELETE FROM memories WHERE (application, backend, person) IN \
             (SELECT application, backend, person FROM memories WHERE changed_at < ?1 ORDER BY changed_at LIMIT ?2)",
            changed_before,
        ),
    ];
    let mut forgotten = 0;
    for (sql, before) in statements {
        forgotten += execute(connection, sql, params![before.as_microsecond(), limit])?;
    }
    u64::try_from(forgotten).map_err(LedgerError::corrupt)
}

fn number(number: i64) -> Result<u64, LedgerError> {
    u64::try_from(number).map_err(LedgerError::unreadable)
}
