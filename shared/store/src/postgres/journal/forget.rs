//! Forgets the oldest events, and what was drawn from them alone.

use std::time::SystemTime;

use protocol::Timestamp;

use super::keep::{lock, remove};
use super::look::{number, size_now};
use crate::LedgerError;
use crate::journal::minute;
use crate::postgres::lent::{Failure, Lent};
use crate::postgres::rows::{execute, get, instant, rows};

pub(super) async fn forget(client: Lent, before: Timestamp, bytes_max: u64, limit: u32) -> Result<u64, Failure> {
    client.begin_patiently().await?;
    lock(&client).await?;
    let bytes = size_now(&client).await?.bytes;
    let sql = "SELECT number, at, octet_length(body)::bigint AS bytes FROM journal_events ORDER BY at, number LIMIT $1";
    let oldest = rows(&client, sql, &[&i64::from(limit)], |row| {
        Ok((get::<i64>(row, "number")?, instant(get(row, "at")?)?, number(row, "bytes")?))
    })
    .await?;
    let (mut forgotten, mut freed) = (Vec::new(), 0_u64);
    for (number, at, length) in oldest {
        if before <= at && bytes.saturating_sub(freed) <= bytes_max {
            break;
        }
        forgotten.push(number);
        freed += length;
    }
    if !forgotten.is_empty() {
        execute(&client, "DELETE FROM journal_events WHERE number = ANY($1)", &[&forgotten]).await?;
        let [events, freed] = [u64::try_from(forgotten.len()).unwrap_or(u64::MAX), freed]
            .map(|many| i64::try_from(many).unwrap_or(i64::MAX));
        let sql = "UPDATE journal_totals SET events = events - $1, bytes = bytes - $2";
        execute(&client, sql, &[&events, &freed]).await?;
    }
    forget_drawn(&client, limit).await?;
    client.commit().await?;
    Ok(u64::try_from(forgotten.len()).map_err(LedgerError::corrupt)?)
}

/// Forgets the lines, with their words, and the tallies that are older than all that is still kept.
async fn forget_drawn(client: &Lent, limit: u32) -> Result<(), Failure> {
    let oldest = size_now(client).await?.oldest.unwrap_or(Timestamp::MAX);
    // A line begins before it is touched; so those that began later need not be looked at.
    let sql = "SELECT place FROM journal_log WHERE place < $1 AND touched_at < $2 ORDER BY place LIMIT $3";
    let (first, limit) = (oldest.as_microsecond(), i64::from(limit));
    let places =
        rows(client, sql, &[&first, &SystemTime::from(oldest), &limit], |row| get::<i64>(row, "place")).await?;
    remove(client, &places).await?;
    let sql = "DELETE FROM journal_tallies WHERE minute < $1";
    execute(client, sql, &[&SystemTime::from(minute(oldest))]).await.map(drop)
}
