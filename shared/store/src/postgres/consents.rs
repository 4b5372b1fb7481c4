//! Who may be texted, in SQL.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::{Address, BackendName, EventId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::group::Answers;
use super::lent::{Failure, Lent, Lock};
use super::rows::{execute, get, instant, rows};
use crate::LedgerError;
use crate::consents::{Choice, Consent, ConsentChange, HISTORY_MAX};
use crate::error::Fault;
use crate::ledger::kept;

/// Whether a message may be sent to a person.
macro_rules! permitted {
    ($message:literal, $backend:literal, $person:literal) => {
        concat!(
            "(NOT EXISTS (SELECT FROM consents WHERE backend = ",
            $backend,
            " AND person = ",
            $person,
            " AND choice = 'out') OR EXISTS (SELECT FROM consent_changes WHERE reply = ",
            $message,
            " AND backend = ",
            $backend,
            " AND person = ",
            $person,
            // Who is out again needs no word of having been back.
            " AND choice IS DISTINCT FROM 'in'))"
        )
    };
}
pub(super) use permitted;

/// Selects latest choices; [`latest`] reads a row of it.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT backend, person, choice, since, cause, word FROM consents ", $rest)
    };
}

/// What kind of lock a person's is.
const PERSON: i32 = 0x7065_7273;

/// The namespace of the keys of people's locks.
const PEOPLE: Uuid = Uuid::from_u128(0x8d0e_4b1c_53f7_4c29_9a86_2f6e_0d71_b3c4);

/// Under which a person's consent changes, and is relied upon. Two people may have the same one: then one waits for the
/// other at times.
pub(super) fn lock(backend: &BackendName, person: &Address) -> Lock {
    let name = format!("{backend} {}", person.as_str());
    let [a, b, c, d, ..] = Uuid::new_v5(&PEOPLE, name.as_bytes()).into_bytes();
    Lock(PERSON, i32::from_be_bytes([a, b, c, d]))
}

pub(super) async fn permits(
    client: &Lent,
    message_id: EventId,
    backend: &BackendName,
    person: &Address,
) -> Result<bool, Failure> {
    let sql = concat!("SELECT ", permitted!("$1", "$2", "$3"));
    let statement = client.answer(client.prepare_cached(sql)).await?;
    let parameters: [&(dyn ToSql + Sync); 3] = [&message_id.as_uuid(), &backend.as_str(), &person.as_str()];
    let row = client.answer(client.query_one(&statement, &parameters)).await?;
    Ok(row.try_get(0).map_err(LedgerError::corrupt)?)
}

/// A message, and the person whom it is for.
pub(super) type Recipient = (EventId, BackendName, Address);

/// Whether each may be sent.
pub(super) async fn permit(client: Lent, recipients: Arc<[Recipient]>) -> Result<Answers<bool>, Failure> {
    let message_ids: Vec<Uuid> = recipients.iter().map(|(id, _, _)| id.as_uuid()).collect();
    let backends: Vec<&str> = recipients.iter().map(|(_, backend, _)| backend.as_str()).collect();
    let people: Vec<&str> = recipients.iter().map(|(_, _, person)| person.as_str()).collect();
    let sql = concat!(
        "SELECT ",
        permitted!("asked.id", "asked.of", "asked.recipient"),
        " AS permitted FROM unnest($1::uuid[], $2::text[], $3::text[]) \
         WITH ORDINALITY AS asked (id, of, recipient, place) ORDER BY asked.place"
    );
    let permitted = rows(&client, sql, &[&message_ids, &backends, &people], |row| get(row, "permitted")).await?;
    Ok(permitted.into_iter().map(|permitted| Some(Ok(permitted))).collect())
}

pub(super) async fn consent(client: Lent, backend: &BackendName, person: &Address) -> Result<Option<Consent>, Failure> {
    known(&client, backend, person).await
}

async fn known(client: &Lent, backend: &BackendName, person: &Address) -> Result<Option<Consent>, Failure> {
    let sql = select!("WHERE backend = $1 AND person = $2");
    Ok(rows(client, sql, &[&backend.as_str(), &person.as_str()], latest).await?.pop())
}

pub(super) async fn change(client: Lent, change: &ConsentChange) -> Result<(), Failure> {
    client.begin().await?;
    record(&client, change).await?;
    client.commit().await
}

/// Records a change inside a transaction, which holds the person's lock from then on.
pub(super) async fn record(client: &Lent, change: &ConsentChange) -> Result<(), Failure> {
    let ConsentChange { cause, backend, person, choice, word, reply, at } = change;
    client.lock(lock(backend, person)).await?;
    let recorded = execute(
        client,
        "INSERT INTO consent_changes (cause, backend, person, choice, word, reply, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (cause) DO NOTHING",
        &[
            &cause.as_uuid(),
            &backend.as_str(),
            &person.as_str(),
            &choice.map(Choice::as_str),
            word,
            &reply.map(EventId::as_uuid),
            &SystemTime::from(kept(*at)),
        ],
    )
    .await?;
    let Some(choice) = choice.filter(|_| 0 < recorded) else { return Ok(()) };
    let known = known(client, backend, person).await?;
    let Some(since) = choice.takes_effect(*at, known.as_ref()) else { return Ok(()) };
    execute(
        client,
        "INSERT INTO consents (backend, person, choice, since, cause, word) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (backend, person) DO UPDATE SET \
         choice = excluded.choice, since = excluded.since, cause = excluded.cause, word = excluded.word",
        &[
            &backend.as_str(),
            &person.as_str(),
            &choice.as_str(),
            &SystemTime::from(kept(since)),
            &cause.as_uuid(),
            word,
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn history(
    client: Lent,
    backend: &BackendName,
    person: &Address,
) -> Result<Vec<ConsentChange>, Failure> {
    let sql = "SELECT cause, choice, word, reply, at FROM consent_changes WHERE backend = $1 AND person = $2 \
               ORDER BY at DESC, cause LIMIT $3";
    let limit = i64::from(HISTORY_MAX);
    let mut changes = rows(&client, sql, &[&backend.as_str(), &person.as_str(), &limit], |row| {
        Ok(ConsentChange {
            cause: EventId::from(get::<Uuid>(row, "cause")?),
            backend: backend.clone(),
            person: person.clone(),
            choice: get::<Option<&str>>(row, "choice")?.map(choice).transpose()?,
            word: get(row, "word")?,
            reply: get::<Option<Uuid>>(row, "reply")?.map(EventId::from),
            at: instant(get(row, "at")?)?,
        })
    })
    .await?;
    changes.reverse();
    Ok(changes)
}

pub(super) async fn opted_out(
    client: Lent,
    after: Option<(&BackendName, Option<&Address>)>,
    limit: u32,
) -> Result<Vec<Consent>, Failure> {
    // No backend and no person has an empty name: everybody comes after it.
    let (backend, person) =
        after.map_or(("", ""), |(backend, person)| (backend.as_str(), person.map_or("", Address::as_str)));
    let sql = select!("WHERE choice = 'out' AND (backend, person) > ($1, $2) ORDER BY backend, person LIMIT $3");
    rows(&client, sql, &[&backend, &person, &i64::from(limit)], latest).await
}

/// Reads a row of [`select!`].
fn latest(row: &Row) -> Result<Consent, LedgerError> {
    Ok(Consent {
        backend: parse(get(row, "backend")?)?,
        person: parse(get(row, "person")?)?,
        choice: choice(get(row, "choice")?)?,
        since: instant(get(row, "since")?)?,
        cause: EventId::from(get::<Uuid>(row, "cause")?),
        word: get(row, "word")?,
    })
}

fn choice(word: &str) -> Result<Choice, LedgerError> {
    Choice::of_word(word).ok_or_else(|| LedgerError::unreadable(Fault::Unknown("choice")))
}

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(written: &str) -> Result<T, LedgerError> {
    written.parse().map_err(LedgerError::unreadable)
}
