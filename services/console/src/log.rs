//! The log of texts and messages: what is asked of it, and pages of it.

mod sought;

use chassis::config::duration;
use protocol::{Address, BackendName, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{EventsOf, Journal, LogFilter, LogPage, Logged, PersonSought, Subject};
use utoipa::{IntoParams, ToSchema};

use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::shown::ShownEvent;
use crate::{Console, Message, conversation};
pub(crate) use sought::Sought;

/// How many lines a page has, unless said.
const LIMIT_USUAL: u32 = 50;

/// How many it has at most.
pub(crate) const LIMIT_MAX: u32 = 500;

/// Of how many texts and messages of a conversation the events are read one by one.
const ONE_BY_ONE_MAX: usize = 20;

/// What is looked for in the log, as it is written in a form or behind a question mark. What is left out or left empty
/// asks for nothing; what is given must all fit.
#[derive(Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Whatever you have: the id of a message, text or session, a number in any writing, its last digits (at least four),
    /// or words. But for ids, it needs the scope `people`.
    #[param(pattern = "^[^\\x00]*$", example = "+1-555-555-0177")]
    pub(crate) q: Option<String>,
    /// Those of this person: a number in any writing, or a name. It needs the scope `people`.
    #[param(max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub(crate) person: Option<String>,
    /// Those of this backend.
    #[param(pattern = "^ *([A-Za-z0-9][A-Za-z0-9_-]{0,63})? *$")]
    pub(crate) backend: Option<String>,
    /// `in`: texts; `out`: messages.
    #[param(pattern = "^ *(in|out)? *$", example = "in")]
    pub(crate) direction: Option<String>,
    /// Those that stand there, as in [`Message`].
    #[param(
        pattern = "^ *(waiting|released|answered|ignored|dead|failed|expired|suppressed|unconfirmed|sent|delivered)? *$",
        example = "failed"
    )]
    pub(crate) state: Option<String>,
    /// Those that this application wants sent.
    #[param(pattern = "^[^\\x00]*$")]
    pub(crate) application: Option<String>,
    /// Those that began then or later: a time as in 2026-11-23T09:30:00Z, a day, or how long ago, as in 2h.
    #[param(example = "2h")]
    pub(crate) since: Option<String>,
    /// Those that began before, written as `since`.
    pub(crate) until: Option<String>,
    /// Those of the conversation that this Tropo session began.
    #[param(pattern = "^ *[!-~]{0,128} *$")]
    pub(crate) session: Option<String>,
    /// How many at once, 1 to 500: 50 where left out.
    #[param(pattern = "^ *(0*([1-9][0-9]?|[1-4][0-9]{2}|500))? *$", example = "50")]
    pub(crate) limit: Option<String>,
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^ *(-?[0-9]{1,18})? *$")]
    pub(crate) cursor: Option<String>,
}

/// A page of the log.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Listed {
    /// Texts and messages, the newest first.
    pub messages: Vec<Message>,
    /// The `cursor` of the next page; `null`: this is the last.
    pub next: Option<String>,
}

/// What an id means, with everything that happened in its conversation.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The texts and messages of the conversation, the newest first.
    pub messages: Vec<Message>,
    /// Its events, the oldest first.
    pub events: Vec<ShownEvent>,
}

/// A query that was understood.
#[derive(Clone, Default)]
pub(crate) struct Search {
    /// What is in the box.
    pub(crate) sought: Option<Sought>,
    /// Everything else.
    pub(crate) filter: LogFilter,
    /// Which lines of what is found.
    before: Option<i64>,
    limit: Option<u32>,
}

impl Query {
    /// Understands it.
    ///
    /// # Errors
    /// 400, which names the parameter.
    pub(crate) fn read(&self, now: Timestamp) -> Result<Search, Problem> {
        let Self { q, person, backend, direction, state, application, since, until, session, limit, cursor } = self;
        let backend = given("backend", backend.as_ref(), |name| name.parse::<BackendName>().map_err(told))?;
        let filter = LogFilter {
            subject: given("direction", direction.as_ref(), subject)?,
            backend,
            without: Vec::new(),
            person: given("person", person.as_ref(), |person| person.parse().map(PersonSought::Is).map_err(told))?,
            words: None,
            standing: given("state", state.as_ref(), |state| {
                let state = serde_json::Value::from(state);
                serde_json::from_value(state).map_err(|_| "no such state: see Message.state".to_owned())
            })?,
            application: given("application", application.as_ref(), |name| Ok(name.to_owned()))?,
            correlation_id: given("session", session.as_ref(), |id| id.parse::<SessionId>().map_err(told))?,
            cause: None,
            since: given("since", since.as_ref(), |time| instant(time, now))?,
            until: given("until", until.as_ref(), |time| instant(time, now))?,
        };
        Ok(Search {
            sought: given("q", q.as_ref(), |box_| Ok(Sought::read(box_)))?,
            filter,
            before: given("cursor", cursor.as_ref(), |place| place.parse().map_err(|_| "not one of ours".to_owned()))?,
            limit: given("limit", limit.as_ref(), |limit| {
                let number = limit.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                number.ok_or_else(|| format!("must be a number from 1 to {LIMIT_MAX}"))
            })?,
        })
    }
}

impl Search {
    /// Where the caller wants to go on.
    pub(crate) fn before(&self) -> Option<i64> {
        self.before
    }
}

/// A parameter that was given and not left empty.
fn given<T>(
    name: &str,
    written: Option<&String>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    let Some(written) = written.map(|written| written.trim()).filter(|written| !written.is_empty()) else {
        return Ok(None);
    };
    // PostgreSQL keeps no such character, so nothing is found by it.
    if written.contains('\0') {
        return Err(Problem::bad_request(format!("{name}: holds a NUL character")));
    }
    read(written).map(Some).map_err(|told| Problem::bad_request(format!("{name}: {told}")))
}

fn told(error: impl std::error::Error) -> String {
    error.to_string()
}

fn subject(direction: &str) -> Result<Subject, String> {
    match direction {
        "in" => Ok(Subject::Text),
        "out" => Ok(Subject::Message),
        _ => Err("must be in or out".to_owned()),
    }
}

/// A time, the beginning of a day, or how long ago.
fn instant(written: &str, now: Timestamp) -> Result<Timestamp, String> {
    // What stands for a plus sign in a query is read as a blank.
    let time = written.replace(' ', "+");
    let read = time.parse().or_else(|_| format!("{written}T00:00:00Z").parse());
    let ago = || duration::parse(written).and_then(|ago| now.checked_sub(ago).ok());
    read.ok().or_else(ago).ok_or_else(|| "must be a time as in 2026-11-23T09:30:00Z, a day, or as in 2h".to_owned())
}

impl Console {
    /// A page of the log, as this caller may see it, and what to ask for the next with.
    ///
    /// # Errors
    /// What is wrong with the query, what the caller may not, or that the database does not answer.
    pub(crate) async fn log_page(&self, caller: &Caller, query: &Query) -> Result<Listed, Problem> {
        caller.may(Scope::Read)?;
        let search = query.read(self.environment.now())?;
        let limit = search.limit.unwrap_or(LIMIT_USUAL);
        let (found, next) = self.log_lines(caller, &search, search.before, limit).await?;
        let messages = found.into_iter().map(|logged| Message::of(logged, caller)).collect();
        Ok(Listed { messages, next: next.map(|place| place.to_string()) })
    }

    /// What an id of a text, message or session means, as this caller may see it.
    ///
    /// # Errors
    /// There is no such id, the caller may not see it, or the database does not answer.
    pub(crate) async fn found(&self, caller: &Caller, id: &str) -> Result<Found, Problem> {
        caller.may(Scope::Read)?;
        let id: SessionId = id.parse().map_err(|error| Problem::bad_request(format!("id: {error}")))?;
        let journal = &*self.database()?.journal;
        let named = journal.look_for(&id).await?;
        let Some(line) = named.first() else {
            let told = "no text, message or session has this id: it is not kept yet, or no longer";
            return Err(Problem::not_found(told));
        };
        let lines = conversation::lines(journal, line).await?;
        // The session that began the conversation has nearly all of them at once.
        let session = lines.iter().rev().find_map(|line| line.correlation_id.clone());
        let one_by_one = lines.iter().take(ONE_BY_ONE_MAX);
        let events = conversation::events(journal, one_by_one, session.map(EventsOf::Conversation)).await?;
        Ok(Found {
            messages: lines.into_iter().map(|logged| Message::of(logged, caller)).collect(),
            events: events.into_iter().map(|event| ShownEvent::of(event, caller)).collect(),
        })
    }

    /// The same, without what the flow probe texts, unless a backend or a conversation is asked for.
    fn search_of_people(&self, search: &Search) -> Search {
        let mut search = search.clone();
        if search.filter.backend.is_none() && search.filter.correlation_id.is_none() {
            search.filter.without = self.probed();
        }
        search
    }

    /// At most `limit` lines before a place, and the place before which there are more.
    pub(crate) async fn log_lines(
        &self,
        caller: &Caller,
        search: &Search,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Logged>, Option<i64>), Problem> {
        let journal = &*self.database()?.journal;
        // One more tells whether there are more.
        let page = LogPage { before, limit: limit.saturating_add(1) };
        let mut found = find(journal, caller, &self.search_of_people(search), page).await?;
        let more = usize::try_from(limit).is_ok_and(|limit| limit < found.len());
        if more {
            found.pop();
        }
        let next = found.last().filter(|_| more).map(|last| last.place);
        Ok((found, next))
    }
}

async fn find(
    journal: &dyn Journal,
    caller: &Caller,
    Search { sought, filter, .. }: &Search,
    page: LogPage,
) -> Result<Vec<Logged>, Problem> {
    // Whether somebody is known tells of people as well.
    if filter.person.is_some() {
        caller.may(Scope::People)?;
    }
    let Some(sought) = sought else { return Ok(journal.log(filter, page).await?) };
    if let Some(id) = &sought.id {
        let mut named = journal.look_for(id).await?;
        if !named.is_empty() {
            named.retain(|logged| fits(filter, logged) && page.before.is_none_or(|before| logged.place < before));
            named.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
            return Ok(named);
        }
        // An id that nothing has may be a word as well, for those who may search by words.
        if !caller.has(Scope::People) {
            return Ok(named);
        }
    }
    let mut filter = filter.clone();
    match (&sought.person, &sought.words) {
        (Some(person), _) if filter.person.as_ref().is_some_and(|also| also != person) => return Ok(Vec::new()),
        (Some(person), _) => {
            caller.may(Scope::People)?;
            filter.person = Some(person.clone());
        }
        (None, Some(words)) => {
            caller.may(Scope::People)?;
            filter.words = Some(words.clone());
        }
        (None, None) => return Ok(Vec::new()),
    }
    Ok(journal.log(&filter, page).await?)
}

/// Whether a line that was found by an id fits everything else that was asked for.
fn fits(filter: &LogFilter, logged: &Logged) -> bool {
    let LogFilter {
        subject,
        backend,
        // An id is asked for by name.
        without: _,
        person,
        words: _,
        standing,
        application,
        correlation_id,
        cause,
        since,
        until,
    } = filter;
    let content = logged.content.as_ref();
    let is_person = |sought: &PersonSought, person: &Address| match sought {
        PersonSought::Is(address) => address == person,
        PersonSought::EndsWith(digits) => person.as_str().ends_with(digits.as_str()),
    };
    subject.is_none_or(|subject| subject == logged.subject)
        && backend.as_ref().is_none_or(|backend| *backend == logged.backend)
        && standing.is_none_or(|standing| logged.standing() == Some(standing))
        && person.as_ref().is_none_or(|sought| content.is_some_and(|content| is_person(sought, &content.person)))
        && application.as_ref().is_none_or(|name| content.is_some_and(|known| known.application.as_ref() == Some(name)))
        && correlation_id.as_ref().is_none_or(|id| logged.correlation_id.as_ref() == Some(id))
        && cause.is_none_or(|cause| content.is_some_and(|known| known.cause == Some(cause)))
        && since.is_none_or(|since| since <= logged.begun_at)
        && until.is_none_or(|until| logged.begun_at < until)
}

#[cfg(test)]
mod tests;
