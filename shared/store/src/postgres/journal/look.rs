//! Looks into the journal.

use std::time::SystemTime;

use protocol::{Address, EventId, SessionId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::LedgerError;
use crate::error::Fault;
use crate::filter::{Conditions, Value};
use crate::journal::{
    Begun, Content, EventsOf, JournalEvent, JournalSize, Latency, LogFilter, LogPage, Logged, Numbered, PAGE_MAX, Part,
    Tally, from_both_ends, may_be_more, minute,
};
use crate::line::Line;
use crate::postgres::lent::{Failure, Lent};
use crate::postgres::rows::{get, instant, rows};
use crate::standing::{Marks, Subject};
use crate::words::Sought;

/// Selects lines of the log; [`line`] reads a row of it.
macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT place, subject, id, backend, correlation_id, session_id, session_at, marks, begun_at, released_at, \
                    touched_at, person, our_number, text, network, application, cause ",
            $rest
        )
    };
}
pub(super) use select;

/// Selects events; [`event`] reads a row of it.
macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, kind, at, backend, correlation_id, session_id, subject, of_id, body FROM journal_events ",
            $rest
        )
    };
}

/// Of words that are in many lines, so many of the latest lines are looked through first: they fill a page. The server does
/// not know beforehand which words those are.
const LATEST: u32 = 2_000;

pub(super) async fn log(client: Lent, filter: &LogFilter, page: LogPage) -> Result<Vec<Logged>, Failure> {
    let sought = filter.words.as_deref().map(Sought::of);
    if filter.is_void() || sought.as_ref().is_some_and(Sought::is_empty) {
        return Ok(Vec::new());
    }
    let Some(sought) = sought else {
        let conditions = Conditions::of(filter, page, "place", placeholder);
        let sql = format!(
            "{}WHERE {} ORDER BY place DESC LIMIT {}",
            select!("FROM journal_log "),
            conditions.sql(),
            size_of(page)
        );
        return found(&client, &sql, &conditions).await;
    };
    client.begin_search().await?;
    let lines = by_words(&client, filter, page, &sought).await?;
    client.roll_back().await?;
    Ok(lines)
}

async fn by_words(client: &Lent, filter: &LogFilter, page: LogPage, sought: &Sought) -> Result<Vec<Logged>, Failure> {
    let latest = latest(client, filter, page).await?;
    let near = LogFilter { since: latest.or(filter.since), ..filter.clone() };
    let mut conditions = Conditions::of(&near, page, "place", placeholder);
    let words = sought_in(&mut conditions, sought);
    let until = filter.until.map(Timestamp::as_microsecond).into_iter().chain(page.before).min().unwrap_or(i64::MAX);
    let (since, all, limit) = (near.since.map_or(i64::MIN, Timestamp::as_microsecond), conditions.sql(), size_of(page));
    // What is materialized is read line by line, whatever the server thinks of the words.
    let sql = format!(
        "WITH near AS MATERIALIZED (SELECT place, words FROM journal_words WHERE {since} <= place AND place < {until}) \
         {} WHERE {words} AND {all} ORDER BY place DESC LIMIT {limit}",
        select!("FROM journal_log JOIN near USING (place)")
    );
    let lines = found(client, &sql, &conditions).await?;
    if lines.len() == limit || latest.is_none() {
        return Ok(lines);
    }
    let mut conditions = Conditions::of(filter, page, "place", placeholder);
    let words = sought_in(&mut conditions, sought);
    // By a sum, for which there is no index: to go along that of places until a page is full is what was just tried.
    let sql = format!(
        "{} WHERE {words} AND {} ORDER BY place + 0 DESC LIMIT {limit}",
        select!("FROM journal_log JOIN journal_words USING (place)"),
        conditions.sql()
    );
    found(client, &sql, &conditions).await
}

/// Since when the latest lines are; `None` if all are among them.
async fn latest(client: &Lent, filter: &LogFilter, page: LogPage) -> Result<Option<Timestamp>, Failure> {
    let times = LogFilter { since: filter.since, until: filter.until, ..LogFilter::default() };
    let conditions = Conditions::of(&times, page, "place", placeholder);
    let sql =
        format!("SELECT place FROM journal_log WHERE {} ORDER BY place DESC LIMIT 1 OFFSET {LATEST}", conditions.sql());
    let rows = client.answer(client.query_typed(&sql, &parameters(&conditions))).await?;
    let since = |row| Timestamp::from_microsecond(get(row, "place")?).map_err(LedgerError::unreadable);
    Ok(rows.first().map(since).transpose()?)
}

/// The words, as one condition more. Nothing in them means anything to the server.
fn sought_in(conditions: &mut Conditions, sought: &Sought) -> String {
    let beginnings: Vec<String> = sought.iter().map(|beginning| format!("'{beginning}':*")).collect();
    conditions.values.push(Value::Text(beginnings.join(" & ")));
    format!("words @@ CAST(${} AS tsquery)", conditions.values.len())
}

/// Planned anew for these values each time: what is rare among them makes all the difference.
async fn found(client: &Lent, sql: &str, conditions: &Conditions) -> Result<Vec<Logged>, Failure> {
    let rows = client.answer(client.query_typed(sql, &parameters(conditions))).await?;
    Ok(rows.iter().map(|row| Ok(line(row)?.logged)).collect::<Result<_, LedgerError>>()?)
}

fn parameters(conditions: &Conditions) -> Vec<(&(dyn ToSql + Sync), Type)> {
    conditions.values.iter().map(parameter).collect()
}

fn size_of(page: LogPage) -> usize {
    usize::try_from(page.limit.min(PAGE_MAX)).unwrap_or(usize::MAX)
}

fn parameter(value: &Value) -> (&(dyn ToSql + Sync), Type) {
    match value {
        Value::Number(number) => (number, Type::INT8),
        Value::Text(text) => (text, Type::TEXT),
        Value::Id(id) => (id, Type::UUID),
    }
}

fn placeholder(_: &Value, number: usize) -> String {
    format!("${number}")
}

pub(super) async fn look_for(client: Lent, id: &SessionId) -> Result<Vec<Logged>, Failure> {
    let sql = select!(
        "FROM journal_log WHERE standing IS NOT NULL AND place = ANY (ARRAY( \
             SELECT place FROM journal_log WHERE correlation_id = $1 \
             UNION SELECT place FROM journal_log WHERE id = $2 \
             UNION SELECT place FROM journal_events AS e JOIN journal_log AS l ON l.id = e.of_id AND l.subject = e.subject \
                   WHERE e.session_id = $1 \
             UNION SELECT place FROM journal_events AS e JOIN journal_log AS l ON l.id = e.of_id AND l.subject = e.subject \
                   WHERE e.id = $2)) \
         ORDER BY place DESC LIMIT $3"
    );
    let event: Option<Uuid> = id.as_str().parse().ok();
    rows(&client, sql, &[&id.as_str(), &event, &i64::from(PAGE_MAX)], |row| Ok(line(row)?.logged)).await
}

pub(super) async fn events(client: Lent, of: &EventsOf) -> Result<Vec<JournalEvent>, Failure> {
    let latest = part(&client, of, Part::Latest).await?;
    let first = if may_be_more(&latest) { part(&client, of, Part::First).await? } else { Vec::new() };
    Ok(from_both_ends(first, latest))
}

async fn part(client: &Lent, of: &EventsOf, part: Part) -> Result<Vec<Numbered>, Failure> {
    let (order, limit) = (part.order(), part.limit());
    let sql = |condition: &str| format!("{}WHERE {condition} ORDER BY {order} LIMIT {limit}", select_events!(""));
    match of {
        EventsOf::Conversation(session) => rows(client, &sql("correlation_id = $1"), &[&session.as_str()], event).await,
        EventsOf::Session(session) => rows(client, &sql("session_id = $1"), &[&session.as_str()], event).await,
        EventsOf::Subject(subject, id) => {
            let parameters: [&(dyn ToSql + Sync); 2] = [&id.as_uuid(), &subject.number()];
            rows(client, &sql("of_id = $1 AND subject = $2"), &parameters, event).await
        }
    }
}

pub(super) async fn events_after(client: Lent, number: i64, limit: u32) -> Result<Vec<Numbered>, Failure> {
    let sql = select_events!("WHERE $1 < number ORDER BY number LIMIT $2");
    rows(&client, sql, &[&number, &i64::from(limit.min(PAGE_MAX))], event).await
}

pub(super) async fn last_number(client: Lent) -> Result<i64, Failure> {
    one(rows(&client, "SELECT last FROM journal_totals", &[], |row| get(row, "last")).await?)
}

pub(super) async fn tallies(client: Lent, since: Timestamp) -> Result<Vec<Tally>, Failure> {
    let sql =
        "SELECT minute, backend, kind, count FROM journal_tallies WHERE $1 <= minute ORDER BY minute, backend, kind";
    rows(&client, sql, &[&SystemTime::from(minute(since))], |row| {
        Ok(Tally {
            minute: instant(get(row, "minute")?)?,
            backend: get::<&str>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
            kind: get(row, "kind")?,
            count: number(row, "count")?,
        })
    })
    .await
}

pub(super) async fn latencies(client: Lent, since: Timestamp, limit: u32) -> Result<Vec<Latency>, Failure> {
    let sql = "SELECT m.backend, t.begun_at AS texted_at, m.released_at FROM journal_log AS m \
               JOIN journal_log AS t ON t.id = m.cause AND t.subject = 0 AND t.marks & 1 = 1 \
               WHERE $1 <= m.released_at AND m.cause IS NOT NULL ORDER BY m.released_at DESC LIMIT $2";
    rows(&client, sql, &[&SystemTime::from(since), &i64::from(limit)], |row| {
        Ok(Latency {
            backend: get::<&str>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
            texted_at: instant(get(row, "texted_at")?)?,
            released_at: instant(get(row, "released_at")?)?,
        })
    })
    .await
}

pub(super) async fn begun(client: Lent, messages: &[EventId]) -> Result<Vec<Begun>, Failure> {
    let ids: Vec<Uuid> = messages.iter().map(|id| id.as_uuid()).collect();
    let sql = "SELECT m.id, m.begun_at, t.begun_at AS texted_at FROM journal_log AS m \
               LEFT JOIN journal_log AS t ON t.id = m.cause AND t.subject = 0 AND t.marks & 1 = 1 \
               WHERE m.id = ANY($1) AND m.subject = $2 AND m.marks & 1 = 1";
    rows(&client, sql, &[&ids, &Subject::Message.number()], |row| {
        Ok(Begun {
            message_id: EventId::from(get::<Uuid>(row, "id")?),
            commanded_at: instant(get(row, "begun_at")?)?,
            texted_at: get::<Option<SystemTime>>(row, "texted_at")?.map(instant).transpose()?,
        })
    })
    .await
}

pub(super) async fn size(client: Lent) -> Result<JournalSize, Failure> {
    size_now(&client).await
}

pub(super) async fn size_now(client: &Lent) -> Result<JournalSize, Failure> {
    let sql = "SELECT events, bytes, (SELECT min(at) FROM journal_events) AS oldest FROM journal_totals";
    let sizes = rows(client, sql, &[], |row| {
        let oldest = get::<Option<SystemTime>>(row, "oldest")?.map(instant).transpose()?;
        Ok(JournalSize { events: number(row, "events")?, bytes: number(row, "bytes")?, oldest })
    });
    one(sizes.await?)
}

fn one<T>(rows: Vec<T>) -> Result<T, Failure> {
    rows.into_iter().next().ok_or_else(|| LedgerError::corrupt(Fault::Incomplete).into())
}

/// Reads a row of [`select!`].
pub(super) fn line(row: &Row) -> Result<Line, LedgerError> {
    let instant_of = |column| get::<Option<SystemTime>>(row, column)?.map(instant).transpose();
    let logged = Logged {
        place: get(row, "place")?,
        subject: subject(get(row, "subject")?)?,
        id: EventId::from(get::<Uuid>(row, "id")?),
        backend: get::<&str>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
        correlation_id: session(row, "correlation_id")?,
        session_id: session(row, "session_id")?,
        marks: Marks::of_number(get(row, "marks")?).ok_or_else(|| LedgerError::unreadable(Fault::Unknown("marks")))?,
        begun_at: instant(get(row, "begun_at")?)?,
        released_at: instant_of("released_at")?,
        touched_at: instant(get(row, "touched_at")?)?,
        content: content(row)?,
    };
    Ok(Line { logged, session_at: instant_of("session_at")? })
}

fn content(row: &Row) -> Result<Option<Content>, LedgerError> {
    let address = |written: &str| written.parse::<Address>().map_err(LedgerError::unreadable);
    let Some(person) = get::<Option<&str>>(row, "person")? else { return Ok(None) };
    Ok(Some(Content {
        person: address(person)?,
        number: get::<Option<&str>>(row, "our_number")?.map(address).transpose()?,
        text: get::<&str>(row, "text")?.parse().map_err(LedgerError::unreadable)?,
        network: get::<&str>(row, "network")?.parse().map_err(LedgerError::unreadable)?,
        application: get(row, "application")?,
        cause: get::<Option<Uuid>>(row, "cause")?.map(EventId::from),
    }))
}

/// Reads a row of [`select_events!`].
fn event(row: &Row) -> Result<Numbered, LedgerError> {
    let of = match (get::<Option<i16>>(row, "subject")?, get::<Option<Uuid>>(row, "of_id")?) {
        (Some(number), Some(id)) => Some((subject(number)?, EventId::from(id))),
        (None, _) | (_, None) => None,
    };
    let event = JournalEvent {
        id: EventId::from(get::<Uuid>(row, "id")?),
        kind: get(row, "kind")?,
        at: instant(get(row, "at")?)?,
        backend: get::<&str>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
        correlation_id: session(row, "correlation_id")?,
        session_id: session(row, "session_id")?,
        of,
        body: get(row, "body")?,
    };
    Ok(Numbered { number: get(row, "number")?, event })
}

pub(super) fn number(row: &Row, column: &str) -> Result<u64, LedgerError> {
    u64::try_from(get::<i64>(row, column)?).map_err(LedgerError::unreadable)
}

fn session(row: &Row, column: &str) -> Result<Option<SessionId>, LedgerError> {
    get::<Option<&str>>(row, column)?.map(str::parse).transpose().map_err(LedgerError::unreadable)
}

fn subject(number: i16) -> Result<Subject, LedgerError> {
    Subject::of_number(number).ok_or_else(|| LedgerError::unreadable(Fault::Unknown("subject")))
}
