//! What the journal keeps of every event, and the log of texts and messages that is drawn from it.
//!
//! Invariant: an event that is kept again changes nothing, and events may come in any order. So whatever lags or is
//! handed out again, the log ends up the same.

use std::collections::BTreeMap;
use std::fmt;

use protocol::{Address, BackendName, EventId, MessageText, Network, SessionId, Timestamp};

use crate::LedgerError;
use crate::ledger::BoxFuture;
use crate::standing::{Mark, Marks, Standing, Subject};

/// The kind of what is kept of a dead letter, beside the kinds of events.
pub const DEAD_LETTER: &str = "dead_letter";

/// The most that is read at once, whatever is asked for.
pub const PAGE_MAX: u32 = 1000;

/// Of more events than are read at once, so many of the oldest are read: they tell what it is about.
const FIRST_MAX: u32 = 20;

/// Which events of one thing are read, and in which order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// The latest, the newest first.
    Latest,
    /// The first, the oldest first.
    First,
}

impl Part {
    /// How many.
    pub(crate) fn limit(self) -> u32 {
        match self {
            Self::Latest => PAGE_MAX,
            Self::First => FIRST_MAX,
        }
    }

    /// In SQL.
    pub(crate) fn order(self) -> &'static str {
        match self {
            Self::Latest => "at DESC, number DESC",
            Self::First => "at, number",
        }
    }
}

/// Whether there may be more than the latest.
pub(crate) fn may_be_more(latest: &[Numbered]) -> bool {
    PAGE_MAX as usize <= latest.len()
}

/// The oldest first: the latest, and, where those are not all, the first in the place of as many of them.
pub(crate) fn from_both_ends(first: Vec<Numbered>, mut latest: Vec<Numbered>) -> Vec<JournalEvent> {
    latest.truncate(latest.len().saturating_sub(first.len()));
    first.into_iter().chain(latest.into_iter().rev()).map(|numbered| numbered.event).collect()
}

/// An event, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct JournalEvent {
    /// Its id; of what is kept of a dead letter, one derived from the letter's and the time of its death.
    pub id: EventId,
    /// Its kind, as in `message.sent`, or [`DEAD_LETTER`].
    pub kind: String,
    /// When it happened, in whole microseconds.
    pub at: Timestamp,
    /// Its backend.
    pub backend: BackendName,
    /// The session that began its conversation, where there is one.
    pub correlation_id: Option<SessionId>,
    /// The session that it is about: the text's, or the one that was created for a message.
    pub session_id: Option<SessionId>,
    /// The text or message that it is about.
    pub of: Option<(Subject, EventId)>,
    /// What it says, as JSON text: the data of the event. Personal.
    pub body: String,
}

/// Without what it says.
impl fmt::Debug for JournalEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalEvent").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// An event to be kept, with what it means for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalEntry {
    /// The event.
    pub event: JournalEvent,
    /// What it says of texts and messages; the account's facts.
    pub marks: Vec<(Subject, EventId, Mark)>,
    /// What the text or message of [`JournalEvent::of`] is, where the event tells: `message.received` and
    /// `message.send` do.
    pub content: Option<Content>,
}

/// What a text or message is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Content {
    /// The person who texted, or who shall get it.
    pub person: Address,
    /// Our number, where the event names it.
    pub number: Option<Address>,
    /// The words.
    pub text: MessageText,
    /// The network.
    pub network: Network,
    /// Who wants it sent; of a text, nobody.
    pub application: Option<String>,
    /// What caused the message: a text, as far as the log knows.
    pub cause: Option<EventId>,
}

/// A line of the log: a text or a message, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// Its place in the log, by which it is paged: microseconds since 1970 of its beginning, made unique.
    pub place: i64,
    /// Whether it is a text or a message.
    pub subject: Subject,
    /// Its id.
    pub id: EventId,
    /// Its backend.
    pub backend: BackendName,
    /// The session that began its conversation, where there is one.
    pub correlation_id: Option<SessionId>,
    /// The session that has it: of a text, that which carried it; of a message, the latest.
    pub session_id: Option<SessionId>,
    /// What was seen of it.
    pub marks: Marks,
    /// When it began, in whole microseconds: the time of the event that began it, as far as that was seen.
    pub begun_at: Timestamp,
    /// When the document was handed over (a message), the first time.
    pub released_at: Option<Timestamp>,
    /// The time of the latest event about it.
    pub touched_at: Timestamp,
    /// What it is; `None` while only later events of it were seen.
    pub content: Option<Content>,
}

impl Logged {
    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.marks.standing()
    }
}

/// Which lines of the log are meant: those that fit everything that is set. An empty one means all.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct LogFilter {
    /// Texts, or messages.
    pub subject: Option<Subject>,
    /// Those of this backend.
    pub backend: Option<BackendName>,
    /// Those of none of these backends.
    pub without: Vec<BackendName>,
    /// Those of this person.
    pub person: Option<PersonSought>,
    /// Those in whose words all of these occur: a word is found by its beginning, in any case; of a script that is
    /// written without blanks, and of pictures, any two neighbours. Where there is no letter, digit or picture, none fit.
    pub words: Option<String>,
    /// Those that stand there.
    pub standing: Option<Standing>,
    /// Those that this application wants sent.
    pub application: Option<String>,
    /// Those of the conversation that this session began.
    pub correlation_id: Option<SessionId>,
    /// The messages that this caused: those that answer it, if it is a text.
    pub cause: Option<EventId>,
    /// Those that began then or later.
    pub since: Option<Timestamp>,
    /// Those that began before.
    pub until: Option<Timestamp>,
}

impl LogFilter {
    /// Whether nothing can fit, because it asks of texts what is only ever true of messages, or the other way round.
    pub(crate) fn is_void(&self) -> bool {
        let of_application = self.application.as_ref().map(|_| Subject::Message);
        let of_cause = self.cause.map(|_| Subject::Message);
        let of_standing = self.standing.and_then(Standing::subject);
        let mut subjects = [self.subject, of_application, of_cause, of_standing].into_iter().flatten();
        let first = subjects.next();
        subjects.any(|subject| Some(subject) != first)
    }
}

/// A person, as one is looked for.
#[derive(Clone, PartialEq, Eq)]
pub enum PersonSought {
    /// By the address.
    Is(Address),
    /// By the last digits, at least four.
    EndsWith(String),
}

/// Which lines of what was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPage {
    /// Those before this place, the newest first; all of them: `None`.
    pub before: Option<i64>,
    /// So many at most, and no more than [`PAGE_MAX`].
    pub limit: u32,
}

/// Which events are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventsOf {
    /// Those of the conversation that this session began.
    Conversation(SessionId),
    /// Those about this text or message.
    Subject(Subject, EventId),
    /// Those about this session, whichever of the two.
    Session(SessionId),
}

/// An event with its number in the order in which events were kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// The number. Greater ones become readable later, so whoever has read up to one has missed none.
    pub number: i64,
    /// The event.
    pub event: JournalEvent,
}

/// How many events of a kind there were in a minute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// The beginning of the minute.
    pub minute: Timestamp,
    /// The backend.
    pub backend: BackendName,
    /// The kind, as in `message.sent`, or [`DEAD_LETTER`].
    pub kind: String,
    /// How many.
    pub count: u64,
}

/// The minute of an instant.
pub(crate) fn minute(at: Timestamp) -> Timestamp {
    let microseconds = at.as_microsecond();
    Timestamp::from_microsecond(microseconds - microseconds.rem_euclid(60_000_000)).unwrap_or(at)
}

/// How many of these there are in each minute.
pub(crate) fn tallies(entries: &[&JournalEntry]) -> Vec<Tally> {
    let mut counts: BTreeMap<(Timestamp, &BackendName, &str), u64> = BTreeMap::new();
    for JournalEntry { event, .. } in entries {
        *counts.entry((minute(event.at), &event.backend, &event.kind)).or_default() += 1;
    }
    let tally = |((minute, backend, kind), count): ((_, &BackendName, &str), _)| Tally {
        minute,
        backend: backend.clone(),
        kind: kind.to_owned(),
        count,
    };
    counts.into_iter().map(tally).collect()
}

/// How long a reply took: from the text to the release of the message that answers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Latency {
    /// The backend of the message.
    pub backend: BackendName,
    /// When the text came.
    pub texted_at: Timestamp,
    /// When the document was handed over.
    pub released_at: Timestamp,
}

/// Since when a message is on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// The message.
    pub message_id: EventId,
    /// When it was commanded.
    pub commanded_at: Timestamp,
    /// When the text came that it answers, or that caused it; `None` where there is none.
    pub texted_at: Option<Timestamp>,
}

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JournalSize {
    /// Events.
    pub events: u64,
    /// Bytes of what they say.
    pub bytes: u64,
    /// Since when.
    pub oldest: Option<Timestamp>,
}

/// A record of every event, and a log of texts and messages.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Every operation may be repeated.
pub trait Journal: Send + Sync {
    /// Keeps events, all or none, and brings the log up to date. Those that are kept already change nothing.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn keep_events<'a>(&'a self, entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// A page of the log, the newest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn log<'a>(&'a self, filter: &'a LogFilter, page: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>>;

    /// The lines of the log that an id means, the newest first: the text or message that has it, and those of a session
    /// that has it, whether that began the conversation or was created for a message. At most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>>;

    /// Events, the oldest first, at most [`PAGE_MAX`]: of more, the few first and the latest.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>>;

    /// The events after a number, in their order, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>>;

    /// The number of the event that was kept last; 0 where there is none.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>>;

    /// How many events there were in each minute from then on, that of the instant included; the oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>>;

    /// How long replies took that were released from then on: of the latest, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>>;

    /// Since when these messages are on their way, in no order; those whose command was not seen are left out.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>>;

    /// How much is kept.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>>;

    /// Forgets at most `limit` of the oldest events: those that happened before an instant, and those beyond `bytes_max`
    /// in all; with them, the lines of the log that were touched before all that is still kept. Says how many events.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>>;
}
