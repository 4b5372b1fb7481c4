//! Forgets the oldest events, and what was drawn from them alone.

use protocol::Timestamp;
use rusqlite::{Connection, params};

use super::look::{number, size};
use crate::LedgerError;
use crate::journal::minute;
use crate::sqlite::rows::{execute, get, read};

pub(super) fn forget(
    connection: &Connection,
    before: Timestamp,
    bytes_max: u64,
    limit: u32,
) -> Result<u64, LedgerError> {
    let bytes = size(connection)?.bytes;
    let sql = "SELECT number, at, octet_length(body) AS bytes FROM journal_events ORDER BY at, number LIMIT ?1";
    let oldest = read(connection, sql, [limit], |row| {
        Ok((get::<i64>(row, "number")?, get::<i64>(row, "at")?, number(row, "bytes")?))
    })?;
    let (mut forgotten, mut freed) = (0_i64, 0_u64);
    for (number, at, length) in oldest {
        if before.as_microsecond() <= at && bytes.saturating_sub(freed) <= bytes_max {
            break;
        }
        execute(connection, "DELETE FROM journal_events WHERE number = ?1", [number])?;
        freed += length;
        forgotten += 1;
    }
    if 0 < forgotten {
        let freed = i64::try_from(freed).map_err(LedgerError::corrupt)?;
        let sql = "UPDATE journal_totals SET events = events - ?1, bytes = bytes - ?2";
        execute(connection, sql, params![forgotten, freed])?;
    }
    forget_drawn(connection, limit)?;
    u64::try_from(forgotten).map_err(LedgerError::corrupt)
}

/// Forgets the lines, with their words, and the tallies that are older than all that is still kept.
fn forget_drawn(connection: &Connection, limit: u32) -> Result<(), LedgerError> {
    let oldest = size(connection)?.oldest.unwrap_or(Timestamp::MAX);
    // A line begins before it is touched; so those that began later need not be looked at.
    let sql = "SELECT place FROM journal_log WHERE place < ?1 AND touched_at < ?1 ORDER BY place LIMIT ?2";
    let places = read(connection, sql, params![oldest.as_microsecond(), limit], |row| get::<i64>(row, "place"))?;
    for place in places {
        execute(connection, "DELETE FROM journal_words WHERE rowid = ?1", [place])?;
        execute(connection, "DELETE FROM journal_log WHERE place = ?1", [place])?;
    }
    execute(connection, "DELETE FROM journal_tallies WHERE minute < ?1", [minute(oldest).as_microsecond()]).map(drop)
}
