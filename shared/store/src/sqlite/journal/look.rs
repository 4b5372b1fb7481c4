//! Looks into the journal.
//!
//! A page is read in the order of the log along one index, until it is full: that of what is rarest in the filter. What the
//! filter says beside is looked at line by line.

use protocol::{Address, EventId, SessionId, Timestamp};
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

use crate::LedgerError;
use crate::error::Fault;
use crate::filter::{Conditions, Value};
use crate::journal::{
    Begun, Content, EventsOf, JournalEvent, JournalSize, Latency, LogFilter, LogPage, Logged, Numbered, PAGE_MAX, Part,
    Tally, from_both_ends, may_be_more, minute,
};
use crate::line::Line;
use crate::sqlite::judge;
use crate::sqlite::rows::{get, instant, read};
use crate::standing::{Marks, Subject};
use crate::words::{Sought, Words};

/// So many lines are read one by one, rather than to look for words in all of them.
const FEW: i64 = 20_000;

/// Of words that are in many lines, so many of the latest lines are looked through first: they fill a page. SQLite reads
/// all lines that have a word before it knows the latest.
const LATEST: i64 = 2_000;

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

pub(super) fn log(connection: &Connection, filter: &LogFilter, page: LogPage) -> Result<Vec<Logged>, LedgerError> {
    let sought = filter.words.as_deref().map(Sought::of);
    if filter.is_void() || sought.as_ref().is_some_and(Sought::is_empty) {
        return Ok(Vec::new());
    }
    let rarest = rarest(connection, filter, page)?;
    let (Some(sought), None) = (&sought, rarest) else {
        return one_by_one(connection, filter, page, rarest, sought.as_ref());
    };
    let Some(latest) = latest(connection, filter, page)? else {
        return one_by_one(connection, filter, page, None, Some(sought));
    };
    let lines = one_by_one(connection, &LogFilter { since: Some(latest), ..filter.clone() }, page, None, Some(sought))?;
    if lines.len() == size_of(page) {
        return Ok(lines);
    }
    by_words(connection, filter, page, sought)
}

/// Since when the latest lines are; `None` if all are among them.
fn latest(connection: &Connection, filter: &LogFilter, page: LogPage) -> Result<Option<Timestamp>, LedgerError> {
    let times = LogFilter { since: filter.since, until: filter.until, ..LogFilter::default() };
    let conditions = Conditions::of(&times, page, "place", placeholder);
    let sql =
        format!("SELECT place FROM journal_log WHERE {} ORDER BY place DESC LIMIT 1 OFFSET {LATEST}", conditions.sql());
    let place = read(connection, &sql, params_from_iter(&conditions.values), |row| get(row, "place"))?;
    place.into_iter().next().map(instant).transpose()
}

/// A page of the lines along one index.
fn one_by_one(
    connection: &Connection,
    filter: &LogFilter,
    page: LogPage,
    index: Option<&str>,
    sought: Option<&Sought>,
) -> Result<Vec<Logged>, LedgerError> {
    let conditions = Conditions::of(filter, page, "place", placeholder);
    let index = index.map(|index| format!("INDEXED BY {index}")).unwrap_or_default();
    let rest = format!("FROM journal_log {index} WHERE {} ORDER BY place DESC", conditions.sql());
    let sql = format!("{}{rest}", select!(""));
    let fits = |line: &Logged| {
        let text = line.content.as_ref().map(|content| content.text.as_str()).unwrap_or_default();
        sought.is_none_or(|sought| Words::of(text).have(sought))
    };
    let mut statement = connection.prepare_cached(&sql).map_err(judge)?;
    let mut rows = statement.query(params_from_iter(&conditions.values)).map_err(judge)?;
    let mut lines = Vec::new();
    while lines.len() < size_of(page)
        && let Some(row) = rows.next().map_err(judge)?
    {
        lines.extend(Some(line(row)?.logged).filter(fits));
    }
    Ok(lines)
}

/// The index to go along; `None` for that of the words, or that of places.
fn rarest(connection: &Connection, filter: &LogFilter, page: LogPage) -> Result<Option<&'static str>, LedgerError> {
    if filter.correlation_id.is_some() {
        return Ok(Some("journal_log_conversation"));
    }
    if filter.cause.is_some() {
        return Ok(Some("journal_log_cause"));
    }
    if filter.person.is_some() {
        return Ok(Some("journal_log_person"));
    }
    let standing = filter.standing.map(|standing| Value::Number(standing.number().into()));
    let application = filter.application.clone().map(Value::Text);
    let backend = filter.backend.as_ref().map(|backend| Value::Text(backend.as_str().to_owned()));
    let columns = [
        ("journal_log_standing", "standing =", standing),
        ("journal_log_application", "application =", application),
        ("journal_log_backend", "backend =", backend),
    ];
    let mut rarest = None;
    for (index, compared, value) in columns {
        let Some(value) = value else { continue };
        let conditions = Conditions::of_one(filter, page, compared, value, placeholder);
        let sql = format!(
            "SELECT count(*) AS lines FROM (SELECT 1 FROM journal_log INDEXED BY {index} WHERE {} LIMIT {FEW})",
            conditions.sql()
        );
        let lines = read(connection, &sql, params_from_iter(&conditions.values), |row| get::<i64>(row, "lines"))?;
        rarest = rarest.into_iter().chain(lines.first().map(|lines| (*lines, index))).min();
    }
    // Along the words where nothing is rare; of the others, one is as good as another.
    Ok(rarest.filter(|(lines, _)| *lines < FEW || filter.words.is_none()).map(|(_, index)| index))
}

fn by_words(
    connection: &Connection,
    filter: &LogFilter,
    page: LogPage,
    sought: &Sought,
) -> Result<Vec<Logged>, LedgerError> {
    let mut conditions = Conditions::of(filter, page, "journal_words.rowid", placeholder);
    let sql = format!(
        "{} FROM journal_words CROSS JOIN journal_log ON place = journal_words.rowid \
         WHERE journal_words MATCH ?{} AND {} ORDER BY journal_words.rowid DESC LIMIT {}",
        select!(""),
        conditions.values.len() + 1,
        conditions.sql(),
        size_of(page)
    );
    let beginnings: Vec<String> = sought.iter().map(|beginning| format!("\"{beginning}\" *")).collect();
    conditions.values.push(Value::Text(beginnings.join(" ")));
    read(connection, &sql, params_from_iter(&conditions.values), |row| Ok(line(row)?.logged))
}

pub(super) fn look_for(connection: &Connection, id: &SessionId) -> Result<Vec<Logged>, LedgerError> {
    let sql = select!(
        "FROM journal_log WHERE standing IS NOT NULL AND place IN \
             (SELECT place FROM journal_log WHERE correlation_id = ?1 \
              UNION SELECT place FROM journal_log WHERE id = ?2 \
              UNION SELECT place FROM journal_events AS e JOIN journal_log AS l ON l.id = e.of_id AND l.subject = e.subject \
                    WHERE e.session_id = ?1 \
              UNION SELECT place FROM journal_events AS e JOIN journal_log AS l ON l.id = e.of_id AND l.subject = e.subject \
                    WHERE e.id = ?2) \
         ORDER BY place DESC LIMIT ?3"
    );
    let event = id.as_str().parse().ok().map(|id: EventId| *id.as_uuid().as_bytes());
    read(connection, sql, params![id.as_str(), event, PAGE_MAX], |row| Ok(line(row)?.logged))
}

pub(super) fn events(connection: &Connection, of: &EventsOf) -> Result<Vec<JournalEvent>, LedgerError> {
    let latest = part(connection, of, Part::Latest)?;
    let first = if may_be_more(&latest) { part(connection, of, Part::First)? } else { Vec::new() };
    Ok(from_both_ends(first, latest))
}

fn part(connection: &Connection, of: &EventsOf, part: Part) -> Result<Vec<Numbered>, LedgerError> {
    let (order, limit) = (part.order(), part.limit());
    let sql = |condition: &str| format!("{}WHERE {condition} ORDER BY {order} LIMIT {limit}", select_events!(""));
    match of {
        EventsOf::Conversation(session) => read(connection, &sql("correlation_id = ?1"), [session.as_str()], event),
        EventsOf::Session(session) => read(connection, &sql("session_id = ?1"), [session.as_str()], event),
        EventsOf::Subject(subject, id) => {
            let sql = sql("of_id = ?1 AND subject = ?2");
            read(connection, &sql, params![id.as_uuid().as_bytes(), subject.number()], event)
        }
    }
}

pub(super) fn events_after(connection: &Connection, number: i64, limit: u32) -> Result<Vec<Numbered>, LedgerError> {
    let sql = select_events!("WHERE ?1 < number ORDER BY number LIMIT ?2");
    read(connection, sql, params![number, limit.min(PAGE_MAX)], event)
}

pub(super) fn last_number(connection: &Connection) -> Result<i64, LedgerError> {
    one(read(connection, "SELECT last FROM journal_totals", [], |row| get(row, "last"))?)
}

pub(super) fn tallies(connection: &Connection, since: Timestamp) -> Result<Vec<Tally>, LedgerError> {
    let sql =
        "SELECT minute, backend, kind, count FROM journal_tallies WHERE ?1 <= minute ORDER BY minute, backend, kind";
    read(connection, sql, [minute(since).as_microsecond()], |row| {
        Ok(Tally {
            minute: instant(get(row, "minute")?)?,
            backend: get::<String>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
            kind: get(row, "kind")?,
            count: number(row, "count")?,
        })
    })
}

pub(super) fn latencies(connection: &Connection, since: Timestamp, limit: u32) -> Result<Vec<Latency>, LedgerError> {
    let sql = "SELECT m.backend, t.begun_at AS texted_at, m.released_at \
               FROM journal_log AS m INDEXED BY journal_log_released \
               JOIN journal_log AS t ON t.id = m.cause AND t.subject = 0 AND t.marks & 1 \
               WHERE ?1 <= m.released_at AND m.cause IS NOT NULL ORDER BY m.released_at DESC LIMIT ?2";
    read(connection, sql, params![since.as_microsecond(), limit], |row| {
        Ok(Latency {
            backend: get::<String>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
            texted_at: instant(get(row, "texted_at")?)?,
            released_at: instant(get(row, "released_at")?)?,
        })
    })
}

pub(super) fn begun(connection: &Connection, messages: &[EventId]) -> Result<Vec<Begun>, LedgerError> {
    let sql = "SELECT m.id, m.begun_at, t.begun_at AS texted_at FROM journal_log AS m \
               LEFT JOIN journal_log AS t ON t.id = m.cause AND t.subject = 0 AND t.marks & 1 \
               WHERE m.id = ?1 AND m.subject = ?2 AND m.marks & 1";
    let mut found = Vec::new();
    for message_id in messages.iter().copied() {
        found.extend(read(
            connection,
            sql,
            params![message_id.as_uuid().as_bytes(), Subject::Message.number()],
            |row| {
                Ok(Begun {
                    message_id,
                    commanded_at: instant(get(row, "begun_at")?)?,
                    texted_at: get::<Option<i64>>(row, "texted_at")?.map(instant).transpose()?,
                })
            },
        )?);
    }
    Ok(found)
}

pub(super) fn size(connection: &Connection) -> Result<JournalSize, LedgerError> {
    let sql = "SELECT events, bytes, (SELECT min(at) FROM journal_events) AS oldest FROM journal_totals";
    one(read(connection, sql, [], |row| {
        let oldest = get::<Option<i64>>(row, "oldest")?.map(instant).transpose()?;
        Ok(JournalSize { events: number(row, "events")?, bytes: number(row, "bytes")?, oldest })
    })?)
}

fn one<T>(rows: Vec<T>) -> Result<T, LedgerError> {
    rows.into_iter().next().ok_or_else(|| LedgerError::corrupt(Fault::Incomplete))
}

fn size_of(page: LogPage) -> usize {
    usize::try_from(page.limit.min(PAGE_MAX)).unwrap_or(usize::MAX)
}

fn placeholder(_: &Value, number: usize) -> String {
    format!("?{number}")
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Id(id) => Ok(ToSqlOutput::from(id.as_bytes().as_slice())),
        }
    }
}

/// Reads a row of [`select!`].
pub(super) fn line(row: &Row<'_>) -> Result<Line, LedgerError> {
    let instant_of = |column| get::<Option<i64>>(row, column)?.map(instant).transpose();
    let logged = Logged {
        place: get(row, "place")?,
        subject: subject(get(row, "subject")?)?,
        id: EventId::from(Uuid::from_bytes(get(row, "id")?)),
        backend: get::<String>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
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

fn content(row: &Row<'_>) -> Result<Option<Content>, LedgerError> {
    let address = |written: String| written.parse::<Address>().map_err(LedgerError::unreadable);
    let Some(person) = get::<Option<String>>(row, "person")? else { return Ok(None) };
    Ok(Some(Content {
        person: address(person)?,
        number: get::<Option<String>>(row, "our_number")?.map(address).transpose()?,
        text: get::<String>(row, "text")?.parse().map_err(LedgerError::unreadable)?,
        network: get::<String>(row, "network")?.parse().map_err(LedgerError::unreadable)?,
        application: get(row, "application")?,
        cause: get::<Option<[u8; 16]>>(row, "cause")?.map(|cause| EventId::from(Uuid::from_bytes(cause))),
    }))
}

/// Reads a row of [`select_events!`].
fn event(row: &Row<'_>) -> Result<Numbered, LedgerError> {
    let of = match (get::<Option<i16>>(row, "subject")?, get::<Option<[u8; 16]>>(row, "of_id")?) {
        (Some(number), Some(id)) => Some((subject(number)?, EventId::from(Uuid::from_bytes(id)))),
        (None, _) | (_, None) => None,
    };
    let event = JournalEvent {
        id: EventId::from(Uuid::from_bytes(get(row, "id")?)),
        kind: get(row, "kind")?,
        at: instant(get(row, "at")?)?,
        backend: get::<String>(row, "backend")?.parse().map_err(LedgerError::unreadable)?,
        correlation_id: session(row, "correlation_id")?,
        session_id: session(row, "session_id")?,
        of,
        body: get(row, "body")?,
    };
    Ok(Numbered { number: get(row, "number")?, event })
}

pub(super) fn number(row: &Row<'_>, column: &str) -> Result<u64, LedgerError> {
    u64::try_from(get::<i64>(row, column)?).map_err(LedgerError::unreadable)
}

fn session(row: &Row<'_>, column: &str) -> Result<Option<SessionId>, LedgerError> {
    get::<Option<String>>(row, column)?.as_deref().map(str::parse).transpose().map_err(LedgerError::unreadable)
}

fn subject(number: i16) -> Result<Subject, LedgerError> {
    Subject::of_number(number).ok_or_else(|| LedgerError::unreadable(Fault::Unknown("subject")))
}
