//! Who may be texted, in SQL. Each operation runs inside a transaction; what writes, in one that holds the write lock.

use std::error::Error;
use std::str::FromStr;

use protocol::{Address, BackendName, EventId};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::judge;
use super::rows::{execute, get, instant, read};
use crate::LedgerError;
use crate::consents::{Choice, Consent, ConsentChange, HISTORY_MAX};
use crate::error::Fault;

/// Selects latest choices; [`latest`] reads a row of it.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT backend, person, choice, since, cause, word FROM consents ", $rest)
    };
}

pub(super) fn permits(
    connection: &Connection,
    message_id: EventId,
    backend: &BackendName,
    person: &Address,
) -> Result<bool, LedgerError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM consents WHERE backend = ?2 AND person = ?3 AND choice = 'out') \
               OR EXISTS (SELECT 1 FROM consent_changes WHERE reply = ?1 AND backend = ?2 AND person = ?3 \
               AND choice IS NOT 'in')";
    let mut statement = connection.prepare_cached(sql).map_err(judge)?;
    let message_id = message_id.as_uuid();
    let parameters = params![message_id.as_bytes(), backend.as_str(), person.as_str()];
    statement.query_row(parameters, |row| row.get(0)).map_err(judge)
}

pub(super) fn consent(
    connection: &Connection,
    backend: &BackendName,
    person: &Address,
) -> Result<Option<Consent>, LedgerError> {
    let sql = select!("WHERE backend = ?1 AND person = ?2");
    Ok(read(connection, sql, params![backend.as_str(), person.as_str()], latest)?.pop())
}

pub(super) fn change(connection: &Connection, change: &ConsentChange) -> Result<(), LedgerError> {
    let ConsentChange { cause, backend, person, choice, word, reply, at } = change;
    let known = consent(connection, backend, person)?;
    let cause = *cause.as_uuid().as_bytes();
    let is_heard = read(connection, "SELECT 1 FROM consent_changes WHERE cause = ?1", [cause], |_| Ok(()))?;
    if !is_heard.is_empty() {
        return Ok(());
    }
    if let Some(choice) = choice
        && let Some(since) = choice.takes_effect(*at, known.as_ref())
    {
        execute(
            connection,
            "INSERT INTO consents (backend, person, choice, since, cause, word) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (backend, person) DO UPDATE SET \
             choice = excluded.choice, since = excluded.since, cause = excluded.cause, word = excluded.word",
            params![backend.as_str(), person.as_str(), choice.as_str(), since.as_microsecond(), cause, word],
        )?;
    }
    execute(
        connection,
        "INSERT INTO consent_changes (cause, backend, person, choice, word, reply, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            cause,
            backend.as_str(),
            person.as_str(),
            choice.map(Choice::as_str),
            word,
            reply.map(|id| *id.as_uuid().as_bytes()),
            at.as_microsecond(),
        ],
    )
    .map(drop)
}

pub(super) fn history(
    connection: &Connection,
    backend: &BackendName,
    person: &Address,
) -> Result<Vec<ConsentChange>, LedgerError> {
    let sql = "SELECT cause, choice, word, reply, at FROM consent_changes WHERE backend = ?1 AND person = ?2 \
               ORDER BY at DESC, cause LIMIT ?3";
    let mut changes = read(connection, sql, params![backend.as_str(), person.as_str(), HISTORY_MAX], |row| {
        Ok(ConsentChange {
            cause: id(get(row, "cause")?),
            backend: backend.clone(),
            person: person.clone(),
            choice: get::<Option<String>>(row, "choice")?.as_deref().map(choice).transpose()?,
            word: get(row, "word")?,
            reply: get::<Option<[u8; 16]>>(row, "reply")?.map(id),
            at: instant(get(row, "at")?)?,
        })
    })?;
    changes.reverse();
    Ok(changes)
}

pub(super) fn opted_out(
    connection: &Connection,
    after: Option<&(BackendName, Option<Address>)>,
    limit: u32,
) -> Result<Vec<Consent>, LedgerError> {
    // No backend and no person has an empty name: everybody comes after it.
    let (backend, person) = after
        .map_or(("", ""), |(backend, person)| (backend.as_str(), person.as_ref().map_or("", |person| person.as_str())));
    let sql = select!("WHERE choice = 'out' AND (backend, person) > (?1, ?2) ORDER BY backend, person LIMIT ?3");
    read(connection, sql, params![backend, person, limit], latest)
}

/// Reads a row of [`select!`].
fn latest(row: &Row<'_>) -> Result<Consent, LedgerError> {
    Ok(Consent {
        backend: parse(&get::<String>(row, "backend")?)?,
        person: parse(&get::<String>(row, "person")?)?,
        choice: choice(&get::<String>(row, "choice")?)?,
        since: instant(get(row, "since")?)?,
        cause: id(get(row, "cause")?),
        word: get(row, "word")?,
    })
}

fn choice(word: &str) -> Result<Choice, LedgerError> {
    Choice::of_word(word).ok_or_else(|| LedgerError::unreadable(Fault::Unknown("choice")))
}

fn id(bytes: [u8; 16]) -> EventId {
    EventId::from(Uuid::from_bytes(bytes))
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::unreadable)
}
