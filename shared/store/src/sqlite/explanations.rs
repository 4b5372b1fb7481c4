//! Why texts were answered as they were, in SQL. Each operation runs inside a transaction; what writes, in one that holds
//! the write lock.

use protocol::{EventId, Timestamp};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::rows::{execute, get, instant, read};
use crate::LedgerError;
use crate::explanations::{Explanation, Sought};

/// The conversation of a message, in the account.
macro_rules! of_message {
    () => {
        "session_id = (SELECT correlation_id FROM account_entries WHERE subject = 1 AND id = ?1)"
    };
}

/// Selects explanations; [`explanation`] reads a row of it.
macro_rules! select {
    ($condition:expr) => {
        concat!(
            "SELECT text_id, id, session_id, backend, at, body FROM explanations WHERE ",
            $condition,
            " ORDER BY at, id"
        )
    };
}

pub(super) fn keep(connection: &Connection, explanations: &[Explanation]) -> Result<(), LedgerError> {
    let sql = "INSERT INTO explanations (text_id, id, session_id, backend, at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT (text_id, id) DO NOTHING";
    for Explanation { id, text, session_id, backend, at, body } in explanations {
        let (text, id, at) = (text.as_uuid(), id.as_uuid(), at.as_microsecond());
        execute(
            connection,
            sql,
            params![text.as_bytes(), id.as_bytes(), session_id.as_str(), backend.as_str(), at, body],
        )?;
    }
    Ok(())
}

pub(super) fn find(connection: &Connection, sought: &Sought) -> Result<Vec<Explanation>, LedgerError> {
    match sought {
        Sought::Text(text) => read(connection, select!("text_id = ?1"), [text.as_uuid().as_bytes()], explanation),
        Sought::Session(session) => read(connection, select!("session_id = ?1"), [session.as_str()], explanation),
        Sought::Message(message) => {
            read(connection, select!(of_message!()), [message.as_uuid().as_bytes()], explanation)
        }
    }
}

pub(super) fn forget(connection: &Connection, told_before: Timestamp, limit: u32) -> Result<u64, LedgerError> {
    let sql = "DELETE FROM explanations WHERE (text_id, id) IN \
               (SELECT text_id, id FROM explanations WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let forgotten = execute(connection, sql, params![told_before.as_microsecond(), limit])?;
    u64::try_from(forgotten).map_err(LedgerError::corrupt)
}

/// Reads a row of [`select!`].
fn explanation(row: &Row<'_>) -> Result<Explanation, LedgerError> {
    Ok(Explanation {
        id: EventId::from(Uuid::from_bytes(get(row, "id")?)),
        text: EventId::from(Uuid::from_bytes(get(row, "text_id")?)),
        session_id: get::<String>(row, "session_id")?.parse().map_err(LedgerError::unreadable)?,
        backend: get::<String>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
        at: instant(get(row, "at")?)?,
        body: get(row, "body")?,
    })
}
