//! Why texts were answered as they were, in SQL.

use std::time::SystemTime;

use protocol::{EventId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::pool::{Failure, Lent};
use super::rows::{execute, get, instant, rows};
use crate::LedgerError;
use crate::explanations::{Explanation, Sought};
use crate::ledger::kept;

/// The conversation of a message, in the account.
macro_rules! of_message {
    () => {
        "session_id = (SELECT correlation_id FROM account_entries WHERE subject = 1 AND id = $1)"
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

pub(super) async fn keep(client: Lent, explanations: &[Explanation]) -> Result<(), Failure> {
    // In the order of their keys, so that two who write at once never wait for each other in a circle.
    let mut explanations: Vec<&Explanation> = explanations.iter().collect();
    explanations.sort_by_key(|explanation| (explanation.text, explanation.id));
    let texts: Vec<Uuid> = explanations.iter().map(|explanation| explanation.text.as_uuid()).collect();
    let ids: Vec<Uuid> = explanations.iter().map(|explanation| explanation.id.as_uuid()).collect();
    let sessions: Vec<&str> = explanations.iter().map(|explanation| explanation.session_id.as_str()).collect();
    let backends: Vec<&str> = explanations.iter().map(|explanation| explanation.backend.as_str()).collect();
    let told: Vec<SystemTime> = explanations.iter().map(|explanation| kept(explanation.at).into()).collect();
    let bodies: Vec<&str> = explanations.iter().map(|explanation| explanation.body.as_str()).collect();
    let sql = "INSERT INTO explanations (text_id, id, session_id, backend, at, body) \
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[]) \
               ON CONFLICT (text_id, id) DO NOTHING";
    execute(&client, sql, &[&texts, &ids, &sessions, &backends, &told, &bodies]).await.map(drop)
}

pub(super) async fn find(client: Lent, sought: &Sought) -> Result<Vec<Explanation>, Failure> {
    match sought {
        Sought::Text(text) => rows(&client, select!("text_id = $1"), &[&text.as_uuid()], explanation).await,
        Sought::Session(session) => rows(&client, select!("session_id = $1"), &[&session.as_str()], explanation).await,
        Sought::Message(message) => rows(&client, select!(of_message!()), &[&message.as_uuid()], explanation).await,
    }
}

pub(super) async fn forget(client: Lent, told_before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let sql = "DELETE FROM explanations WHERE (text_id, id) IN \
               (SELECT text_id, id FROM explanations WHERE at < $1 ORDER BY at LIMIT $2)";
    execute(&client, sql, &[&SystemTime::from(told_before), &i64::from(limit)]).await
}

/// Reads a row of [`select!`].
fn explanation(row: &Row) -> Result<Explanation, LedgerError> {
    Ok(Explanation {
        id: EventId::from(get::<Uuid>(row, "id")?),
        text: EventId::from(get::<Uuid>(row, "text_id")?),
        session_id: get::<&str>(row, "session_id")?.parse().map_err(LedgerError::unreadable)?,
        backend: get::<&str>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
        at: instant(get(row, "at")?)?,
        body: get(row, "body")?,
    })
}
