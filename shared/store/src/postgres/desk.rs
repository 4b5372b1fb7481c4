//! What the console keeps, in SQL. Each statement is a transaction of its own.

use std::time::SystemTime;

use protocol::{EventId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use super::lent::{Failure, Lent};
use super::rows::{execute, get, instant, rows};
use crate::LedgerError;
use crate::desk::{Act, Desk, Digest, NumberedAct, Request, Requested, SignedIn};
use crate::ledger::{BoxFuture, kept};

impl Desk for Postgres {
    fn sign_in<'a>(&'a self, signed_in: &'a SignedIn) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.connections.perform("sign_in", move |client| sign_in(client, signed_in)))
    }

    fn signed_in<'a>(
        &'a self,
        session: &'a Digest,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<SignedIn>, LedgerError>> {
        Box::pin(self.connections.perform("signed_in", move |client| signed_in(client, session, now)))
    }

    fn sign_out<'a>(&'a self, session: &'a Digest) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.connections.perform("sign_out", move |client| sign_out(client, session)))
    }

    fn request<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Requested, LedgerError>> {
        Box::pin(self.connections.perform("request", move |client| request_once(client, request)))
    }

    fn note_act<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.connections.perform("note_act", move |client| note_act(client, act)))
    }

    fn acts(&self, before: Option<i64>, limit: u32) -> BoxFuture<'_, Result<Vec<NumberedAct>, LedgerError>> {
        Box::pin(self.connections.perform("acts", move |client| acts(client, before, limit)))
    }

    fn acts_with<'a>(
        &'a self,
        action: &'a str,
        words: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<NumberedAct>, LedgerError>> {
        Box::pin(self.connections.perform("acts_with", move |client| acts_with(client, action, words, limit)))
    }

    fn forget_desk(&self, now: Timestamp, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.connections.perform("forget_desk", move |client| forget(client, now, before, limit)))
    }
}

async fn sign_in(client: Lent, signed_in: &SignedIn) -> Result<(), Failure> {
    let SignedIn { session, user, proof, since, until } = signed_in;
    let sql = "INSERT INTO desk_sessions (session, user_name, proof, since, until) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (session) DO NOTHING";
    let (since, until) = (SystemTime::from(kept(*since)), SystemTime::from(kept(*until)));
    execute(&client, sql, &[&session.as_slice(), user, &proof.as_slice(), &since, &until]).await.map(drop)
}

async fn signed_in(client: Lent, session: &Digest, now: Timestamp) -> Result<Option<SignedIn>, Failure> {
    let sql = "SELECT session, user_name, proof, since, until FROM desk_sessions WHERE session = $1 AND $2 < until";
    let found = rows(&client, sql, &[&session.as_slice(), &SystemTime::from(now)], |row| {
        Ok(SignedIn {
            session: digest(row, "session")?,
            user: get(row, "user_name")?,
            proof: digest(row, "proof")?,
            since: instant(get(row, "since")?)?,
            until: instant(get(row, "until")?)?,
        })
    })
    .await?;
    Ok(found.into_iter().next())
}

async fn sign_out(client: Lent, session: &Digest) -> Result<(), Failure> {
    execute(&client, "DELETE FROM desk_sessions WHERE session = $1", &[&session.as_slice()]).await.map(drop)
}

async fn request_once(client: Lent, request: &Request) -> Result<Requested, Failure> {
    let Request { key, content, id, at } = request;
    let sql = "INSERT INTO desk_requests (key, content, id, at) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING";
    let (key, at) = (key.as_slice(), SystemTime::from(kept(*at)));
    if 0 < execute(&client, sql, &[&key, &content.as_slice(), &id.as_uuid(), &at]).await? {
        return Ok(Requested::First);
    }
    // The statement waited for whoever was first, so that is committed, and a new statement sees it.
    let before = rows(&client, "SELECT content, id FROM desk_requests WHERE key = $1", &[&key], |row| {
        Ok((digest(row, "content")?, EventId::from(get::<Uuid>(row, "id")?)))
    })
    .await?;
    let same = before.into_iter().next().filter(|(known, _)| known == content);
    Ok(same.map_or(Requested::Other, |(_, id)| Requested::Again(id)))
}

async fn note_act(client: Lent, act: &Act) -> Result<(), Failure> {
    let Act { at, who, action, detail } = act;
    let sql = "INSERT INTO desk_acts (at, who, action, detail) \
               SELECT $1::timestamptz, $2::text, $3::text, $4::text WHERE NOT EXISTS \
               (SELECT FROM desk_acts WHERE at = $1 AND who = $2 AND action = $3 AND detail = $4)";
    execute(&client, sql, &[&SystemTime::from(kept(*at)), who, action, detail]).await.map(drop)
}

async fn acts(client: Lent, before: Option<i64>, limit: u32) -> Result<Vec<NumberedAct>, Failure> {
    let sql = "SELECT number, at, who, action, detail FROM desk_acts WHERE number < $1 ORDER BY number DESC LIMIT $2";
    rows(&client, sql, &[&before.unwrap_or(i64::MAX), &i64::from(limit)], act).await
}

async fn acts_with(client: Lent, action: &str, words: &str, limit: u32) -> Result<Vec<NumberedAct>, Failure> {
    let sql = "SELECT number, at, who, action, detail FROM desk_acts \
               WHERE action = $1 AND 0 < strpos(detail, $2) ORDER BY number DESC LIMIT $3";
    rows(&client, sql, &[&action, &words, &i64::from(limit)], act).await
}

fn act(row: &Row) -> Result<NumberedAct, LedgerError> {
    let at = instant(get(row, "at")?)?;
    let act = Act { at, who: get(row, "who")?, action: get(row, "action")?, detail: get(row, "detail")? };
    Ok(NumberedAct { number: get(row, "number")?, act })
}

async fn forget(client: Lent, now: Timestamp, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let statements = [
        (
            "DELETE FROM desk_sessions WHERE session IN \
             (SELECT session FROM desk_sessions WHERE until <= $1 ORDER BY until LIMIT $2)",
            now,
        ),
        (
            "DELETE FROM desk_requests WHERE key IN \
             (SELECT key FROM desk_requests WHERE at < $1 ORDER BY at LIMIT $2)",
            before,
        ),
        (
            "DELETE FROM desk_acts WHERE number IN \
             (SELECT number FROM desk_acts WHERE at < $1 ORDER BY at LIMIT $2)",
            before,
        ),
    ];
    let mut forgotten = 0;
    for (sql, before) in statements {
        forgotten += execute(&client, sql, &[&SystemTime::from(kept(before)), &i64::from(limit)]).await?;
    }
    Ok(forgotten)
}

fn digest(row: &Row, column: &str) -> Result<Digest, LedgerError> {
    get::<&[u8]>(row, column)?.try_into().map_err(LedgerError::unreadable)
}
