//! What the console keeps, in SQL. Each operation runs inside a transaction; what writes, in one that holds the write
//! lock.

use protocol::{EventId, Timestamp};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::Sqlite;
use super::rows::{execute, get, instant, read};
use crate::LedgerError;
use crate::desk::{Act, Desk, Digest, NumberedAct, Request, Requested, SignedIn};
use crate::ledger::BoxFuture;

impl Desk for Sqlite {
    fn sign_in<'a>(&'a self, signed_in: &'a SignedIn) -> BoxFuture<'a, Result<(), LedgerError>> {
        let signed_in = signed_in.clone();
        Box::pin(self.writer.perform("sign_in", move |connection| sign_in(connection, &signed_in)))
    }

    fn signed_in<'a>(
        &'a self,
        session: &'a Digest,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<SignedIn>, LedgerError>> {
        let session = *session;
        Box::pin(self.desk_reader.perform("signed_in", move |connection| signed_in(connection, session, now)))
    }

    fn sign_out<'a>(&'a self, session: &'a Digest) -> BoxFuture<'a, Result<(), LedgerError>> {
        let session = *session;
        let sql = "DELETE FROM desk_sessions WHERE session = ?1";
        Box::pin(self.writer.perform("sign_out", move |connection| execute(connection, sql, [session]).map(drop)))
    }

    fn request<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Requested, LedgerError>> {
        let asked = request.clone();
        Box::pin(self.writer.perform("request", move |connection| request_once(connection, &asked)))
    }

    fn note_act<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<(), LedgerError>> {
        let act = act.clone();
        Box::pin(self.writer.perform("note_act", move |connection| note_act(connection, &act)))
    }

    fn acts(&self, before: Option<i64>, limit: u32) -> BoxFuture<'_, Result<Vec<NumberedAct>, LedgerError>> {
        Box::pin(self.desk_reader.perform("acts", move |connection| acts(connection, before, limit)))
    }

    fn acts_with<'a>(
        &'a self,
        action: &'a str,
        words: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<NumberedAct>, LedgerError>> {
        let (action, words) = (action.to_owned(), words.to_owned());
        let sql = "SELECT number, at, who, action, detail FROM desk_acts \
                   WHERE action = ?1 AND 0 < instr(detail, ?2) ORDER BY number DESC LIMIT ?3";
        Box::pin(
            self.desk_reader
                .perform("acts_with", move |connection| read(connection, sql, params![action, words, limit], act)),
        )
    }

    fn forget_desk(&self, now: Timestamp, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.writer.perform("forget_desk", move |connection| forget(connection, now, before, limit)))
    }
}

fn sign_in(connection: &Connection, signed_in: &SignedIn) -> Result<(), LedgerError> {
    let SignedIn { session, user, proof, since, until } = signed_in;
    let sql = "INSERT INTO desk_sessions (session, user, proof, since, until) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (session) DO NOTHING";
    let (since, until) = (since.as_microsecond(), until.as_microsecond());
    execute(connection, sql, params![session, user, proof, since, until]).map(drop)
}

fn signed_in(connection: &Connection, session: Digest, now: Timestamp) -> Result<Option<SignedIn>, LedgerError> {
    let sql = "SELECT session, user, proof, since, until FROM desk_sessions WHERE session = ?1 AND ?2 < until";
    let found = read(connection, sql, params![session, now.as_microsecond()], |row| {
        Ok(SignedIn {
            session: get(row, "session")?,
            user: get(row, "user")?,
            proof: get(row, "proof")?,
            since: instant(get(row, "since")?)?,
            until: instant(get(row, "until")?)?,
        })
    });
    Ok(found?.pop())
}

fn request_once(connection: &Connection, request: &Request) -> Result<Requested, LedgerError> {
    let Request { key, content, id, at } = request;
    let sql = "INSERT INTO desk_requests (key, content, id, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING";
    if 0 < execute(connection, sql, params![key, content, id.as_uuid().as_bytes(), at.as_microsecond()])? {
        return Ok(Requested::First);
    }
    let before = read(connection, "SELECT content, id FROM desk_requests WHERE key = ?1", [key], |row| {
        Ok((get::<Digest>(row, "content")?, EventId::from(Uuid::from_bytes(get(row, "id")?))))
    });
    let same = before?.pop().filter(|(known, _)| known == content);
    Ok(same.map_or(Requested::Other, |(_, id)| Requested::Again(id)))
}

fn note_act(connection: &Connection, act: &Act) -> Result<(), LedgerError> {
    let Act { at, who, action, detail } = act;
    let sql = "INSERT INTO desk_acts (at, who, action, detail) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS \
               (SELECT 1 FROM desk_acts WHERE at = ?1 AND who = ?2 AND action = ?3 AND detail = ?4)";
    execute(connection, sql, params![at.as_microsecond(), who, action, detail]).map(drop)
}

fn acts(connection: &Connection, before: Option<i64>, limit: u32) -> Result<Vec<NumberedAct>, LedgerError> {
    let sql = "SELECT number, at, who, action, detail FROM desk_acts WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    read(connection, sql, params![before.unwrap_or(i64::MAX), limit], act)
}

fn act(row: &Row<'_>) -> Result<NumberedAct, LedgerError> {
    let at = instant(get(row, "at")?)?;
    let act = Act { at, who: get(row, "who")?, action: get(row, "action")?, detail: get(row, "detail")? };
    Ok(NumberedAct { number: get(row, "number")?, act })
}

fn forget(connection: &Connection, now: Timestamp, before: Timestamp, limit: u32) -> Result<u64, LedgerError> {
    let statements = [
        (
            "DELETE FROM desk_sessions WHERE session IN \
             (SELECT session FROM desk_sessions WHERE until <= ?1 ORDER BY until LIMIT ?2)",
            now,
        ),
        (
            "DELETE FROM desk_requests WHERE key IN \
             (SELECT key FROM desk_requests WHERE at < ?1 ORDER BY at LIMIT ?2)",
            before,
        ),
        (
            "DELETE FROM desk_acts WHERE number IN \
             (SELECT number FROM desk_acts WHERE at < ?1 ORDER BY at LIMIT ?2)",
            before,
        ),
    ];
    let forgotten = statements.into_iter().try_fold(0, |forgotten, (sql, before)| {
        Ok::<_, LedgerError>(forgotten + execute(connection, sql, params![before.as_microsecond(), limit])?)
    });
    u64::try_from(forgotten?).map_err(LedgerError::corrupt)
}
