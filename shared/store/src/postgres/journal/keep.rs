//! Keeps events, and brings the log up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use protocol::{Address, EventId, SessionId, Timestamp};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::look::{line, select};
use crate::filter::reversed;
use crate::journal::{Content, JournalEntry, tallies};
use crate::line::{Key, Line, lines};
use crate::postgres::lent::{Failure, Lent};
use crate::postgres::rows::{execute, get, rows};
use crate::standing::Standing;
use crate::words::Words;

pub(super) async fn keep(client: Lent, entries: &[JournalEntry]) -> Result<(), Failure> {
    client.begin_patiently().await?;
    let last = lock(&client).await?;
    let kept = unknown(&client, entries).await?;
    if kept.is_empty() {
        return client.roll_back().await;
    }
    insert(&client, last, &kept).await?;
    count(&client, &kept).await?;
    write(&client, lines(kept)).await?;
    client.commit().await
}

/// Locks the totals, and returns the greatest number that an event ever had.
pub(super) async fn lock(client: &Lent) -> Result<i64, Failure> {
    let last = rows(client, "SELECT last FROM journal_totals FOR UPDATE", &[], |row| get(row, "last")).await?;
    Ok(last.first().copied().unwrap_or_default())
}

/// Those that are not kept yet, each once.
async fn unknown<'a>(client: &Lent, entries: &'a [JournalEntry]) -> Result<Vec<&'a JournalEntry>, Failure> {
    let ids: Vec<Uuid> = entries.iter().map(|entry| entry.event.id.as_uuid()).collect();
    let sql = "SELECT id FROM journal_events WHERE id = ANY($1)";
    let known = rows(client, sql, &[&ids], |row| get::<Uuid>(row, "id")).await?;
    let mut known: BTreeSet<Uuid> = known.into_iter().collect();
    Ok(entries.iter().filter(|entry| known.insert(entry.event.id.as_uuid())).collect())
}

async fn insert(client: &Lent, last: i64, entries: &[&JournalEntry]) -> Result<(), Failure> {
    let events: Vec<_> = entries.iter().map(|entry| &entry.event).collect();
    let numbers: Vec<i64> = (last + 1..).take(events.len()).collect();
    let ids: Vec<Uuid> = events.iter().map(|event| event.id.as_uuid()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let times: Vec<SystemTime> = events.iter().map(|event| event.at.into()).collect();
    let backends: Vec<&str> = events.iter().map(|event| event.backend.as_str()).collect();
    let correlations: Vec<_> =
        events.iter().map(|event| event.correlation_id.as_ref().map(SessionId::as_str)).collect();
    let sessions: Vec<_> = events.iter().map(|event| event.session_id.as_ref().map(SessionId::as_str)).collect();
    let subjects: Vec<_> = events.iter().map(|event| event.of.map(|(subject, _)| subject.number())).collect();
    let about: Vec<_> = events.iter().map(|event| event.of.map(|(_, id)| id.as_uuid())).collect();
    let bodies: Vec<&str> = events.iter().map(|event| event.body.as_str()).collect();
    let sql = "INSERT INTO journal_events \
                   (number, id, kind, at, backend, correlation_id, session_id, subject, of_id, body) \
               SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], \
                                    $7::text[], $8::smallint[], $9::uuid[], $10::text[])";
    let parameters: [&(dyn ToSql + Sync); 10] =
        [&numbers, &ids, &kinds, &times, &backends, &correlations, &sessions, &subjects, &about, &bodies];
    execute(client, sql, &parameters).await.map(drop)
}

/// Counts what was kept, for the tallies and in all.
async fn count(client: &Lent, entries: &[&JournalEntry]) -> Result<(), Failure> {
    let tallies = tallies(entries);
    let minutes: Vec<SystemTime> = tallies.iter().map(|tally| tally.minute.into()).collect();
    let backends: Vec<&str> = tallies.iter().map(|tally| tally.backend.as_str()).collect();
    let kinds: Vec<&str> = tallies.iter().map(|tally| tally.kind.as_str()).collect();
    let counts: Vec<i64> = tallies.iter().map(|tally| i64::try_from(tally.count).unwrap_or(i64::MAX)).collect();
    let sql = "INSERT INTO journal_tallies AS t (minute, backend, kind, count) \
               SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[]) \
               ON CONFLICT (minute, backend, kind) DO UPDATE SET count = t.count + excluded.count";
    execute(client, sql, &[&minutes, &backends, &kinds, &counts]).await?;
    let bytes = entries.iter().map(|entry| entry.event.body.len()).sum();
    let [events, bytes] = [entries.len(), bytes].map(|many| i64::try_from(many).unwrap_or(i64::MAX));
    let sql = "UPDATE journal_totals SET last = last + $1, events = events + $1, bytes = bytes + $2";
    execute(client, sql, &[&events, &bytes]).await.map(drop)
}

/// Writes what is new of lines, with what is known of them.
async fn write(client: &Lent, more: BTreeMap<Key, Line>) -> Result<(), Failure> {
    let mut known = find(client, more.keys()).await?;
    let (mut touched, mut removed, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for (key, more) in more {
        let Some(known) = known.remove(&key) else {
            added.push(more);
            continue;
        };
        let line = known.clone().goes_on(more);
        if line.only_goes_on(&known) {
            touched.push(line);
        } else {
            removed.push(known.logged.place);
            added.push(line);
        }
    }
    touch(client, &touched).await?;
    remove(client, &removed).await?;
    add(client, added).await
}

async fn find(client: &Lent, keys: impl Iterator<Item = &Key>) -> Result<BTreeMap<Key, Line>, Failure> {
    let (subjects, ids): (Vec<i16>, Vec<Uuid>) = keys.map(|(subject, id)| (subject.number(), id.as_uuid())).unzip();
    let sql = select!("FROM journal_log WHERE (id, subject) IN (SELECT * FROM unnest($1::uuid[], $2::smallint[]))");
    let known = rows(client, sql, &[&ids, &subjects], line).await?;
    Ok(known.into_iter().map(|line| ((line.logged.subject, line.logged.id), line)).collect())
}

/// What changes while a conversation goes on, of many lines.
struct Steps<'a> {
    places: Vec<i64>,
    correlations: Vec<Option<&'a str>>,
    sessions: Vec<Option<&'a str>>,
    named: Vec<Option<SystemTime>>,
    marks: Vec<i32>,
    standings: Vec<Option<i16>>,
    released: Vec<Option<SystemTime>>,
    touched: Vec<SystemTime>,
}

impl<'a> Steps<'a> {
    fn of(lines: &'a [Line]) -> Self {
        let logged = || lines.iter().map(|line| &line.logged);
        Self {
            places: logged().map(|line| line.place).collect(),
            correlations: logged().map(|line| line.correlation_id.as_ref().map(SessionId::as_str)).collect(),
            sessions: logged().map(|line| line.session_id.as_ref().map(SessionId::as_str)).collect(),
            named: lines.iter().map(|line| line.session_at.map(SystemTime::from)).collect(),
            marks: logged().map(|line| line.marks.number()).collect(),
            standings: logged().map(|line| line.standing().map(Standing::number)).collect(),
            released: logged().map(|line| line.released_at.map(SystemTime::from)).collect(),
            touched: logged().map(|line| line.touched_at.into()).collect(),
        }
    }
}

async fn touch(client: &Lent, lines: &[Line]) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let Steps { places, correlations, sessions, named, marks, standings, released, touched } = &Steps::of(lines);
    let sql = "UPDATE journal_log AS l SET correlation_id = n.correlation_id, session_id = n.session_id, \
                   session_at = n.session_at, marks = n.marks, standing = n.standing, released_at = n.released_at, \
                   touched_at = n.touched_at \
               FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::integer[], $6::smallint[], \
                           $7::timestamptz[], $8::timestamptz[]) \
                   AS n (place, correlation_id, session_id, session_at, marks, standing, released_at, touched_at) \
               WHERE l.place = n.place";
    let parameters: [&(dyn ToSql + Sync); 8] =
        [places, correlations, sessions, named, marks, standings, released, touched];
    execute(client, sql, &parameters).await.map(drop)
}

pub(super) async fn remove(client: &Lent, places: &[i64]) -> Result<(), Failure> {
    if places.is_empty() {
        return Ok(());
    }
    execute(client, "DELETE FROM journal_words WHERE place = ANY($1)", &[&places]).await?;
    execute(client, "DELETE FROM journal_log WHERE place = ANY($1)", &[&places]).await.map(drop)
}

/// Adds lines, each in the first place that is free from its beginning on, and their words.
async fn add(client: &Lent, mut lines: Vec<Line>) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut places = Places::default();
    places.look(client, lines.iter().map(|line| line.logged.begun_at.as_microsecond())).await?;
    for line in &mut lines {
        line.logged.place = places.take(client, line.logged.begun_at).await?;
    }
    insert_lines(client, &lines).await?;
    let words = |content: &Content| Words::of(content.text.as_str()).iter().collect::<Vec<_>>().join(" ");
    let found_by = lines.iter().filter_map(|line| Some((line.logged.place, words(line.logged.content.as_ref()?))));
    let (places, words): (Vec<i64>, Vec<String>) = found_by.unzip();
    // They come ready made: the server only takes them apart at blanks.
    let sql = "INSERT INTO journal_words (place, words) \
               SELECT place, array_to_tsvector(string_to_array(words, ' ')) \
               FROM unnest($1::bigint[], $2::text[]) AS n (place, words)";
    execute(client, sql, &[&places, &words]).await.map(drop)
}

async fn insert_lines(client: &Lent, lines: &[Line]) -> Result<(), Failure> {
    let logged: Vec<_> = lines.iter().map(|line| &line.logged).collect();
    let subjects: Vec<i16> = logged.iter().map(|line| line.subject.number()).collect();
    let ids: Vec<Uuid> = logged.iter().map(|line| line.id.as_uuid()).collect();
    let backends: Vec<&str> = logged.iter().map(|line| line.backend.as_str()).collect();
    let begun: Vec<SystemTime> = logged.iter().map(|line| line.begun_at.into()).collect();
    let contents: Vec<Option<&Content>> = logged.iter().map(|line| line.content.as_ref()).collect();
    let part = |part: fn(&Content) -> Option<&str>| -> Vec<Option<&str>> {
        contents.iter().map(|content| content.and_then(part)).collect()
    };
    let people = part(|content| Some(content.person.as_str()));
    let from_their_ends: Vec<Option<String>> = people.iter().map(|person| person.map(reversed)).collect();
    let numbers = part(|content| content.number.as_ref().map(Address::as_str));
    let texts = part(|content| Some(content.text.as_str()));
    let networks = part(|content| Some(content.network.as_str()));
    let applications = part(|content| content.application.as_deref());
    let causes: Vec<Option<Uuid>> =
        contents.iter().map(|content| content.and_then(|content| content.cause).map(EventId::as_uuid)).collect();
    let Steps { places, correlations, sessions, named, marks, standings, released, touched } = &Steps::of(lines);
    let sql = "INSERT INTO journal_log \
                   (place, correlation_id, session_id, session_at, marks, standing, released_at, touched_at, subject, id, \
                    backend, begun_at, person, reversed, our_number, text, network, application, cause) \
               SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::integer[], \
                   $6::smallint[], $7::timestamptz[], $8::timestamptz[], $9::smallint[], $10::uuid[], $11::text[], \
                   $12::timestamptz[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], \
                   $19::uuid[])";
    let parameters: [&(dyn ToSql + Sync); 19] = [
        places,
        correlations,
        sessions,
        named,
        marks,
        standings,
        released,
        touched,
        &subjects,
        &ids,
        &backends,
        &begun,
        &people,
        &from_their_ends,
        &numbers,
        &texts,
        &networks,
        &applications,
        &causes,
    ];
    execute(client, sql, &parameters).await.map(drop)
}

/// Which places are taken, as far as anybody looked: in stretches of so many.
const STRETCH: i64 = 512;

/// The places that are taken, and those that were given away in this transaction: where many lines began in the same
/// microsecond, none is looked for twice.
#[derive(Default)]
struct Places {
    looked_at: BTreeSet<i64>,
    taken: BTreeSet<i64>,
    next: BTreeMap<i64, i64>,
}

impl Places {
    /// Looks which places are taken around these.
    async fn look(&mut self, client: &Lent, around: impl Iterator<Item = i64>) -> Result<(), Failure> {
        let stretches: BTreeSet<i64> = around.map(|place| place.div_euclid(STRETCH)).collect();
        let beginnings: Vec<i64> = stretches.iter().map(|stretch| stretch * STRETCH).collect();
        let sql = "SELECT place FROM unnest($1::bigint[]) AS n (beginning) \
                   JOIN journal_log ON n.beginning <= place AND place < n.beginning + $2";
        self.taken.extend(rows(client, sql, &[&beginnings, &STRETCH], |row| get::<i64>(row, "place")).await?);
        self.looked_at.extend(stretches);
        Ok(())
    }

    async fn take(&mut self, client: &Lent, begun_at: Timestamp) -> Result<i64, Failure> {
        let first = begun_at.as_microsecond();
        let mut place = self.next.get(&first).copied().unwrap_or(first);
        loop {
            if !self.looked_at.contains(&place.div_euclid(STRETCH)) {
                self.look(client, std::iter::once(place)).await?;
            }
            if self.taken.insert(place) {
                self.next.insert(first, place + 1);
                return Ok(place);
            }
            place += 1;
        }
    }
}
