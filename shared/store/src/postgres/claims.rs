//! Claims of releases in SQL: a transaction for all that go together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::{EventId, SessionId};
use uuid::Uuid;

use super::consents::{self, permitted};
use super::group::Answers;
use super::lent::{Failure, Lent};
use super::rows::{columns, given_up, query, record};
use crate::LedgerError;
use crate::claim::{Claim, Claimed};
use crate::error::Fault;
use crate::ledger::{Record, kept};
use crate::row::{self, Row};

/// The claims are committed when their statement was answered, and not with it: a server that was frozen does what it
/// finds in its sockets when it goes on, and would grant messages to sessions that nobody tells so any more.
///
/// Until then the consent of none of these people changes. The rows are written in the order of their messages, so that
/// two transactions with some of the same do not wait for each other.
pub(super) async fn claim(client: Lent, claims: Arc<[Arc<Claim>]>) -> Result<Answers<Claimed>, Failure> {
    client.begin_sharing(claims.iter().map(|claim| consents::lock(&claim.backend, &claim.to))).await?;
    let granted = granted(&client, &claims).await?;
    if claims.iter().any(|claim| !claim.is_in_time()) {
        client.roll_back().await?;
        // Those who still have time ask again.
        let late = || Some(Err(LedgerError::unavailable(Fault::TooLate)));
        return Ok(claims.iter().map(|claim| if claim.is_in_time() { None } else { late() }).collect());
    }
    let granted: HashMap<EventId, u32> =
        granted.into_iter().map(|row| (EventId::from(row.message_id), row.life)).collect();
    let mut answers: Answers<Claimed> = Vec::with_capacity(claims.len());
    for claim in claims.iter() {
        answers.push(match granted.get(&claim.message_id) {
            Some(life) => Some(Ok(Claimed::Granted { at: kept(claim.at), life: *life })),
            None => suppressed(&client, claim).await?.map(|record| claimed(Some(record), claim)),
        });
    }
    client.commit().await?;
    for (answer, claim) in answers.iter_mut().zip(claims.iter()) {
        if answer.is_none() {
            // The statement waited for whoever was first, so that is committed, and a new statement sees it.
            *answer = Some(claimed(record(&client, claim.message_id).await?, claim));
        }
    }
    Ok(answers)
}

/// Writes the claims that can be granted.
async fn granted(client: &Lent, claims: &[Arc<Claim>]) -> Result<Vec<Row>, Failure> {
    let commands: Vec<Option<String>> =
        claims.iter().map(|claim| claim.command.as_deref().map(row::write).transpose()).collect::<Result<_, _>>()?;
    let message_ids: Vec<Uuid> = claims.iter().map(|claim| claim.message_id.as_uuid()).collect();
    let sessions: Vec<&str> = claims.iter().map(|claim| claim.session_id.as_str()).collect();
    let backends: Vec<&str> = claims.iter().map(|claim| claim.backend.as_str()).collect();
    let correlations: Vec<Option<&str>> =
        claims.iter().map(|claim| claim.correlation_id.as_ref().map(SessionId::as_str)).collect();
    let attempts: Vec<i64> = claims.iter().map(|claim| i64::from(claim.attempt)).collect();
    let released: Vec<SystemTime> = claims.iter().map(|claim| SystemTime::from(kept(claim.at))).collect();
    let people: Vec<&str> = claims.iter().map(|claim| claim.to.as_str()).collect();
    query(
        client,
        concat!(
            "INSERT INTO ledger_releases AS known \
                 (message_id, session_id, backend, correlation_id, attempt, released_at, command) \
             SELECT asked.id, asked.session, asked.of, asked.correlation, asked.attempt, asked.at, asked.command \
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::text[], \
                 $8::text[]) AS asked (id, session, of, correlation, attempt, at, command, recipient) WHERE ",
            permitted!("asked.id", "asked.of", "asked.recipient"),
            " ORDER BY asked.id ON CONFLICT (message_id) DO UPDATE SET \
                 life = known.life + CASE WHEN known.session_id <> excluded.session_id THEN 1 ELSE 0 END, \
                 session_id = excluded.session_id, correlation_id = excluded.correlation_id, \
                 attempt = excluded.attempt, released_at = excluded.released_at, command = excluded.command, \
                 reopened_at = NULL \
             WHERE known.reopened_at IS NOT NULL AND known.outcome IS NULL RETURNING ",
            columns!()
        ),
        &[&message_ids, &sessions, &backends, &correlations, &attempts, &released, &commands, &people],
    )
    .await
}

/// Gives the message of a claim up if its person opted out; what is on record of it then.
async fn suppressed(client: &Lent, claim: &Claim) -> Result<Option<Record>, Failure> {
    if consents::permits(client, claim.message_id, &claim.backend, &claim.to).await? {
        return Ok(None);
    }
    Ok(Some(given_up(client, &claim.suppressed()).await?.into()))
}

fn claimed(record: Option<Record>, claim: &Claim) -> Result<Claimed, LedgerError> {
    let claimed = record.and_then(|record| Claimed::of(record, &claim.session_id));
    claimed.ok_or_else(|| LedgerError::unavailable(Fault::Changed))
}
