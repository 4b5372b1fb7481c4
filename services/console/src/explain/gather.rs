//! Gathers what is on record of a text or message: from the journal, from Tropo's log, from the configuration.

use std::time::Duration;

use protocol::{Address, BackendName, SessionId};
use store::{EventsOf, Journal, JournalEvent, LedgerError, LogFilter, LogPage, Logged, Mark, PersonSought, Subject};

use super::{Case, Explanation, TropoLog, words};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::simulated::{Lines, Simulated, SimulatedError, TropoLine};
use crate::{Console, conversation};

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

/// What is said besides where Tropo's log could not be read.
const NO_LOG: &str = "; and that did not answer now: ask again";

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
        self.explained(sought, caller.has(Scope::People)).await
    }

    /// The same, for whoever may see numbers and words, or not.
    ///
    /// # Errors
    /// As [`Console::explanation`].
    pub(crate) async fn explained(&self, sought: &Sought, sees_people: bool) -> Result<Explanation, Problem> {
        let journal = &*self.database()?.journal;
        let about = find(journal, sought).await?;
        let (text, mut messages) = match &about {
            Some(about) => text_and_messages(journal, about).await?,
            None => (None, Vec::new()),
        };
        let more = messages.split_off(messages.len().min(MESSAGES_MAX));
        let events = conversation::events(journal, text.iter().chain(&messages), None).await?;
        let mut case = Case {
            about,
            text,
            messages,
            more,
            events,
            tropo_log: TropoLog::None,
            lines: Vec::new(),
            backend: None,
            now: self.environment.now(),
            sees_people,
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
            let away = if case.tropo_log == TropoLog::Away { NO_LOG } else { "" };
            return Err(Problem::not_found(format!("{NOT_FOUND}{away}")));
        }
        case.backend = case.backend_name().and_then(|name| self.backends.get(&name)).cloned();
        let mut explanation = case.explain();
        if let (Sought::Latest(..), Some(about)) = (sought, &case.about) {
            let what = if about.subject == Subject::Message { "message" } else { "text" };
            let at = words::time(about.begun_at);
            explanation.verdict = format!("The latest {what}, of {at}: {}", explanation.verdict);
        }
        Ok(explanation)
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
        Sought::Id(id) => match meant(&journal.look_for(id).await?, id) {
            Some(line) => Ok(Some(line)),
            None => ignored(journal, id).await,
        },
    }
}

/// A session that is no text, which the log has no line of: by its id, or by that of the event that tells of it.
async fn ignored(journal: &dyn Journal, id: &SessionId) -> Result<Option<Logged>, LedgerError> {
    let mut events = journal.events(&EventsOf::Session(id.clone())).await?;
    if let Ok(event) = id.as_str().parse() {
        events.extend(journal.events(&EventsOf::Subject(Subject::Session, event)).await?);
    }
    let line = |event: JournalEvent| match event.of {
        Some((Subject::Session, id)) => Some(Logged {
            place: event.at.as_microsecond(),
            subject: Subject::Session,
            id,
            backend: event.backend,
            correlation_id: event.correlation_id,
            session_id: event.session_id,
            marks: Mark::Ignored.into(),
            begun_at: event.at,
            released_at: None,
            touched_at: event.at,
            content: None,
        }),
        Some((Subject::Text | Subject::Message, _)) | None => None,
    };
    Ok(events.into_iter().find_map(line))
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
async fn text_and_messages(
    journal: &dyn Journal,
    about: &Logged,
) -> Result<(Option<Logged>, Vec<Logged>), LedgerError> {
    let lines = conversation::lines(journal, about).await?;
    if about.subject == Subject::Message {
        // A session that is no text begins no message.
        let text = lines.into_iter().find(|line| line.subject == Subject::Text);
        return Ok((text, vec![about.clone()]));
    }
    let messages = lines.into_iter().rev().filter(|line| line.subject == Subject::Message).collect();
    Ok((Some(about.clone()), messages))
}

/// The sessions of a case.
fn sessions(case: &Case) -> Vec<SessionId> {
    case.sessions().into_iter().map(|session| session.id).collect()
}
