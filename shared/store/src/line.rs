//! What events make of a line of the log, whatever order they come in: a line and a line about the same make one, and
//! neither order nor repetition matters.

use std::collections::BTreeMap;

use protocol::{EventId, Timestamp};

use crate::journal::{JournalEntry, Logged};
use crate::ledger::kept;
use crate::standing::{Mark, Marks, Subject};

/// What a line is about.
pub(crate) type Key = (Subject, EventId);

/// A line of the log, with what is needed to go on with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) logged: Logged,
    /// The time of the event that named the session.
    pub(crate) session_at: Option<Timestamp>,
}

impl Line {
    /// What an event says of one text or message.
    fn of(entry: &JournalEntry, (subject, id): Key) -> Self {
        let JournalEntry { event, marks, content } = entry;
        let at = kept(event.at);
        let is_about = event.of == Some((subject, id));
        let marks = marks.iter().filter(|(of, marked, _)| (*of, *marked) == (subject, id));
        let marks = marks.fold(Marks::default(), |all, (_, _, mark)| all.and((*mark).into()));
        let session_id = event.session_id.clone().filter(|_| is_about);
        let session_at = session_id.as_ref().map(|_| at);
        let logged = Logged {
            place: at.as_microsecond(),
            subject,
            id,
            backend: event.backend.clone(),
            correlation_id: event.correlation_id.clone(),
            session_id,
            marks,
            begun_at: at,
            released_at: marks.has(Mark::Released).then_some(at),
            touched_at: at,
            content: content.clone().filter(|_| is_about),
        };
        Self { logged, session_at }
    }

    /// Both together. What the event of the beginning says stands above what the others let guess.
    pub(crate) fn and(self, other: Self) -> Self {
        let (begins, other_begins) = (self.logged.marks.has(Mark::Begun), other.logged.marks.has(Mark::Begun));
        let (weaker, stronger) = if !begins && other_begins { (self, other) } else { (other, self) };
        let is_sole = begins != other_begins;
        let (a, b) = (stronger.logged, weaker.logged);
        let begun_at = if is_sole { a.begun_at } else { a.begun_at.min(b.begun_at) };
        let sessions = [(stronger.session_at, a.session_id), (weaker.session_at, b.session_id)];
        let (session_at, session_id) = sessions.into_iter().max().unwrap_or_default();
        let logged = Logged {
            place: begun_at.as_microsecond(),
            subject: a.subject,
            id: a.id,
            backend: if is_sole { a.backend } else { a.backend.min(b.backend) },
            correlation_id: [a.correlation_id, b.correlation_id].into_iter().flatten().min(),
            session_id,
            marks: a.marks.and(b.marks),
            begun_at,
            released_at: [a.released_at, b.released_at].into_iter().flatten().min(),
            touched_at: a.touched_at.max(b.touched_at),
            content: a.content.or(b.content),
        };
        Self { logged, session_at }
    }

    /// A line that is in the log, and what is new of it. It keeps its place, unless another beginning comes to be known.
    pub(crate) fn goes_on(self, more: Self) -> Self {
        let (place, begun_at) = (self.logged.place, self.logged.begun_at);
        let mut line = self.and(more);
        if line.logged.begun_at == begun_at {
            line.logged.place = place;
        }
        line
    }

    /// Whether nothing is new but what changes while a conversation goes on.
    pub(crate) fn only_goes_on(&self, known: &Self) -> bool {
        let (old, new) = (&known.logged, &self.logged);
        (old.begun_at, &old.backend, &old.content) == (new.begun_at, &new.backend, &new.content)
    }
}

/// The lines that these events make, one each. A session that is neither text nor message has none.
pub(crate) fn lines<'a>(entries: impl IntoIterator<Item = &'a JournalEntry>) -> BTreeMap<Key, Line> {
    let mut lines: BTreeMap<Key, Line> = BTreeMap::new();
    for entry in entries {
        let marked = entry.marks.iter().map(|(subject, id, _)| (*subject, *id));
        let mut keys: Vec<Key> = entry.event.of.into_iter().chain(marked).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys.into_iter().filter(|(subject, _)| *subject != Subject::Session) {
            let line = Line::of(entry, key);
            let line = match lines.remove(&key) {
                Some(known) => known.and(line),
                None => line,
            };
            lines.insert(key, line);
        }
    }
    lines
}
