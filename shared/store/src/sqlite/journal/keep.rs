//! Keeps events, and brings the log up to date.

use std::collections::BTreeMap;

use protocol::{Address, SessionId, Timestamp};
use rusqlite::{Connection, params};

use super::look::{last_number, line, select};
use crate::LedgerError;
use crate::filter::reversed;
use crate::journal::{JournalEntry, JournalEvent, Tally, tallies};
use crate::line::{Key, Line, lines};
use crate::sqlite::judge;
use crate::sqlite::rows::{execute, get, read};
use crate::standing::Standing;
use crate::words::Words;

pub(super) fn keep(connection: &Connection, entries: &[JournalEntry]) -> Result<(), LedgerError> {
    let mut last = last_number(connection)?;
    let mut kept = Vec::new();
    for entry in entries {
        if insert(connection, last + 1, &entry.event)? {
            last += 1;
            kept.push(entry);
        }
    }
    if kept.is_empty() {
        return Ok(());
    }
    count(connection, last, &kept)?;
    let mut places = Places::default();
    for (key, line) in lines(kept) {
        write(connection, &mut places, key, line)?;
    }
    Ok(())
}

/// Keeps an event, and says whether it was not kept yet.
fn insert(connection: &Connection, number: i64, event: &JournalEvent) -> Result<bool, LedgerError> {
    let JournalEvent { id, kind, at, backend, correlation_id, session_id, of, body } = event;
    let sql = "INSERT INTO journal_events \
                   (number, id, kind, at, backend, correlation_id, session_id, subject, of_id, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";
    let inserted = execute(
        connection,
        sql,
        params![
            number,
            id.as_uuid().as_bytes(),
            kind,
            at.as_microsecond(),
            backend.as_str(),
            correlation_id.as_ref().map(SessionId::as_str),
            session_id.as_ref().map(SessionId::as_str),
            of.map(|(subject, _)| subject.number()),
            of.map(|(_, id)| *id.as_uuid().as_bytes()),
            body,
        ],
    )?;
    Ok(0 < inserted)
}

/// Counts what was kept, for the tallies and in all.
fn count(connection: &Connection, last: i64, entries: &[&JournalEntry]) -> Result<(), LedgerError> {
    let sql = "INSERT INTO journal_tallies (minute, backend, kind, count) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (minute, backend, kind) DO UPDATE SET count = count + excluded.count";
    for Tally { minute, backend, kind, count } in tallies(entries) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        execute(connection, sql, params![minute.as_microsecond(), backend.as_str(), kind, count])?;
    }
    let bytes = entries.iter().map(|entry| entry.event.body.len()).sum();
    let [events, bytes] = [entries.len(), bytes].map(|many| i64::try_from(many).unwrap_or(i64::MAX));
    let sql = "UPDATE journal_totals SET last = ?1, events = events + ?2, bytes = bytes + ?3";
    execute(connection, sql, params![last, events, bytes]).map(drop)
}

/// Writes what is new of a line, with what is known of it.
fn write(connection: &Connection, places: &mut Places, key: Key, more: Line) -> Result<(), LedgerError> {
    let Some(known) = find(connection, key)? else { return add(connection, places, &more) };
    let place = known.logged.place;
    let line = known.clone().goes_on(more);
    if line == known {
        return Ok(());
    }
    if !line.only_goes_on(&known) {
        remove(connection, place)?;
        return add(connection, places, &line);
    }
    if line.logged.correlation_id != known.logged.correlation_id {
        let correlation_id = line.logged.correlation_id.as_ref().map(SessionId::as_str);
        let sql = "UPDATE journal_log SET correlation_id = ?2 WHERE place = ?1";
        execute(connection, sql, params![place, correlation_id])?;
    }
    touch(connection, &line)
}

fn find(connection: &Connection, (subject, id): Key) -> Result<Option<Line>, LedgerError> {
    let sql = select!("FROM journal_log WHERE id = ?1 AND subject = ?2");
    Ok(read(connection, sql, params![id.as_uuid().as_bytes(), subject.number()], line)?.pop())
}

/// Writes what changes at every step of a conversation. The rest stays, so that its indexes need not be written.
fn touch(connection: &Connection, line: &Line) -> Result<(), LedgerError> {
    let Line { logged, session_at } = line;
    let sql = "UPDATE journal_log SET session_id = ?2, session_at = ?3, marks = ?4, standing = ?5, released_at = ?6, \
                   touched_at = ?7 WHERE place = ?1";
    execute(
        connection,
        sql,
        params![
            logged.place,
            logged.session_id.as_ref().map(SessionId::as_str),
            session_at.map(Timestamp::as_microsecond),
            logged.marks.number(),
            logged.standing().map(Standing::number),
            logged.released_at.map(Timestamp::as_microsecond),
            logged.touched_at.as_microsecond(),
        ],
    )
    .map(drop)
}

/// Adds a line, in the first place that is free from its beginning on, and its words.
fn add(connection: &Connection, places: &mut Places, line: &Line) -> Result<(), LedgerError> {
    let place = places.take(connection, line.logged.begun_at)?;
    insert_line(connection, place, line)?;
    let Some(content) = &line.logged.content else { return Ok(()) };
    let words = Words::of(content.text.as_str()).iter().collect::<Vec<_>>().join(" ");
    execute(connection, "INSERT INTO journal_words (rowid, words) VALUES (?1, ?2)", params![place, words]).map(drop)
}

fn insert_line(connection: &Connection, place: i64, line: &Line) -> Result<(), LedgerError> {
    let sql = "INSERT INTO journal_log \
                   (place, subject, id, begun_at, backend, correlation_id, session_id, session_at, marks, standing, \
                    released_at, touched_at, person, reversed, our_number, text, network, application, cause) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
    let Line { logged, session_at } = line;
    let content = logged.content.as_ref();
    execute(
        connection,
        sql,
        params![
            place,
            logged.subject.number(),
            logged.id.as_uuid().as_bytes(),
            logged.begun_at.as_microsecond(),
            logged.backend.as_str(),
            logged.correlation_id.as_ref().map(SessionId::as_str),
            logged.session_id.as_ref().map(SessionId::as_str),
            session_at.map(Timestamp::as_microsecond),
            logged.marks.number(),
            logged.standing().map(Standing::number),
            logged.released_at.map(Timestamp::as_microsecond),
            logged.touched_at.as_microsecond(),
            content.map(|content| content.person.as_str()),
            content.map(|content| reversed(content.person.as_str())),
            content.and_then(|content| content.number.as_ref()).map(Address::as_str),
            content.map(|content| content.text.as_str()),
            content.map(|content| content.network.as_str()),
            content.and_then(|content| content.application.as_deref()),
            content.and_then(|content| content.cause).map(|cause| *cause.as_uuid().as_bytes()),
        ],
    )
    .map(drop)
}

fn remove(connection: &Connection, place: i64) -> Result<(), LedgerError> {
    execute(connection, "DELETE FROM journal_words WHERE rowid = ?1", [place])?;
    execute(connection, "DELETE FROM journal_log WHERE place = ?1", [place]).map(drop)
}

/// The places that were given away in this transaction: where many lines began in the same microsecond, none is looked for
/// twice.
#[derive(Default)]
struct Places(BTreeMap<i64, i64>);

impl Places {
    fn take(&mut self, connection: &Connection, begun_at: Timestamp) -> Result<i64, LedgerError> {
        let first = begun_at.as_microsecond();
        let mut free = self.0.get(&first).copied().unwrap_or(first);
        let sql = "SELECT place FROM journal_log WHERE ?1 <= place ORDER BY place";
        let mut statement = connection.prepare_cached(sql).map_err(judge)?;
        let mut taken = statement.query([free]).map_err(judge)?;
        while let Some(row) = taken.next().map_err(judge)?
            && get::<i64>(row, "place")? == free
        {
            free += 1;
        }
        self.0.insert(first, free + 1);
        Ok(free)
    }
}
