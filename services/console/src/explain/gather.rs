//! Gathers what is on record of a text or message: from the journal, from Tropo's log, from the configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::{Address, BackendName, SessionId};
use store::{
    EventsOf, Journal, JournalEvent, LedgerError, LogFilter, LogPage, Logged, PAGE_MAX, PersonSought, Subject,
};

use super::{Case, Explanation, TropoLog};
use crate::Console;
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::simulated::{Lines, Simulated, SimulatedError, TropoLine};

/// How many messages that answer one text are explained.
const MESSAGES_MAX: usize = 20;

/// How many lines of Tropo's log are read of one session.
const LINES_MAX: u32 = 200;

/// How long Tropo's log is waited for, in all.
const TROPO_LOG_WAIT: Duration = Duration::from_secs(3);

/// What is said where nothing is on record.
const NOT_FOUND: &str = "nothing is on record of it: it is on record a moment after it happened, while a journal runs \
     (GET /v1/status tells how far behind it is), and forgotten after journal.retention; of a webhook that was refused, \
     Tropo's log alone knows";

/// What shall be explained.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Sought {
    /// The text or message of that id, or that which a session is about, whichever of the two.
    Id(SessionId),
    /// The latest of a person, on one backend or on any.
    Latest(Address, Option<BackendName>),
}

impl Console {
    /// What happened to a text or message.
    ///
    /// # Errors
    /// Nothing is on record: 404. The database does not answer: 503.
    pub(crate) async fn explanation(&self, caller: &Caller, sought: &Sought) -> Result<Explanation, Problem> {
        let journal = &*self.database()?.journal;
        let about = find(journal, sought).await?;
        let (text, messages) = match &about {
            Some(about) => conversation(journal, about).await?,
            None => (None, Vec::new()),
        };
        let messages_more = messages.len().saturating_sub(MESSAGES_MAX);
        let messages: Vec<_> = messages.into_iter().take(MESSAGES_MAX).collect();
        let events = events(journal, text.as_ref(), &messages).await?;
        let backend = about.as_ref().and_then(|about| self.backends.get(&about.backend)).cloned();
        let mut case = Case {
            about,
            text,
            messages,
            messages_more: u64::try_from(messages_more).unwrap_or(u64::MAX),
            events,
            tropo_log: TropoLog::None,
            lines: Vec::new(),
            backend,
            now: self.environment.now(),
            sees_people: caller.has(Scope::People),
        };
        let sessions = match (&case.about, sought) {
            (None, Sought::Id(id)) => vec![id.clone()],
            (None, Sought::Latest(..)) => Vec::new(),
            (Some(_), _) => sessions(&case),
        };
        if let Some(simulated) = &self.simulated {
            (case.tropo_log, case.lines) = self.tropo_log(simulated, &sessions).await;
        }
        if case.about.is_none() && case.lines.is_empty() {
            return Err(Problem::not_found(NOT_FOUND));
        }
        Ok(case.explain())
    }

    /// What Tropo's log has of sessions, as far as it answers in time.
    async fn tropo_log(&self, simulated: &Simulated, sessions: &[SessionId]) -> (TropoLog, Vec<TropoLine>) {
        let mut lines = Vec::new();
        let reading = async {
            for session in sessions {
                lines.extend(simulated.lines(Some(session), Lines::Last(LINES_MAX)).await?);
            }
            Ok::<(), SimulatedError>(())
        };
        let read = tokio::select! {
            biased;
            read = reading => read.is_ok(),
            () = self.environment.clock.sleep(TROPO_LOG_WAIT) => false,
        };
        (if read { TropoLog::Read } else { TropoLog::Away }, lines)
    }
}

/// What was asked for.
async fn find(journal: &dyn Journal, sought: &Sought) -> Result<Option<Logged>, LedgerError> {
    match sought {
        Sought::Latest(person, backend) => {
            let (person, backend) = (Some(PersonSought::Is(person.clone())), backend.clone());
            let filter = LogFilter { person, backend, ..LogFilter::default() };
            let page = LogPage { before: None, limit: 1 };
            Ok(journal.log(&filter, page).await?.into_iter().next())
        }
        Sought::Id(id) => Ok(meant(&journal.look_for(id).await?, id)),
    }
}

/// Which of the lines that an id means is the one: that which has it, else the text that the session carried, else the
/// latest.
fn meant(lines: &[Logged], id: &SessionId) -> Option<Logged> {
    let has_it = |line: &&Logged| id.as_str().parse() == Ok(line.id);
    let is_text = |line: &&Logged| line.subject != Subject::Message && line.correlation_id.as_ref() == Some(id);
    let found = lines.iter().find(has_it).or_else(|| lines.iter().find(is_text)).or_else(|| lines.first());
    found.cloned()
}

/// The text that something belongs to, and the messages that are to be explained, the oldest first.
async fn conversation(journal: &dyn Journal, about: &Logged) -> Result<(Option<Logged>, Vec<Logged>), LedgerError> {
    let lines = match &about.correlation_id {
        Some(correlation_id) => {
            let filter = LogFilter { correlation_id: Some(correlation_id.clone()), ..LogFilter::default() };
            journal.log(&filter, LogPage { before: None, limit: PAGE_MAX }).await?
        }
        None => Vec::new(),
    };
    let is_message = |line: &Logged| line.subject == Subject::Message;
    if !is_message(about) {
        let messages = lines.into_iter().rev().filter(is_message).collect();
        return Ok((Some(about.clone()), messages));
    }
    // A session that is no text begins no message.
    let text = lines.into_iter().find(|line| line.subject == Subject::Text);
    Ok((text, vec![about.clone()]))
}

/// The events about a text and messages, and about their sessions, the oldest first.
async fn events(
    journal: &dyn Journal,
    text: Option<&Logged>,
    messages: &[Logged],
) -> Result<Vec<JournalEvent>, LedgerError> {
    let of_text = text.map(|text| EventsOf::Subject(text.subject, text.id));
    let of_messages = messages.iter().map(|message| EventsOf::Subject(Subject::Message, message.id));
    let mut events: Vec<JournalEvent> = Vec::new();
    for of in of_text.into_iter().chain(of_messages) {
        events.extend(journal.events(&of).await?);
    }
    // A delivery report names its session alone.
    let sessions: BTreeSet<SessionId> = messages.iter().filter_map(|message| message.session_id.clone()).collect();
    for session in sessions {
        events.extend(journal.events(&EventsOf::Session(session)).await?);
    }
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.insert(event.id));
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// The sessions of a case.
fn sessions(case: &Case) -> Vec<SessionId> {
    case.sessions().into_iter().map(|session| session.id).collect()
}
