//! Where a text or a message stands, by what was seen of it: a set that only grows.
//!
//! What was seen is one bit each, and two sets are merged by their union. So it is all the same in which order events
//! come, and how often. The bits are ranked: where something stands is said by the highest that is set.

use serde::{Deserialize, Serialize};

/// What is accounted for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A text that came in; its id is that of `message.received`.
    Text,
    /// A message to be sent; its id is that of `message.send`.
    Message,
    /// A session that is neither, and that nothing answers; its id is that of `session.ignored`.
    Session,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Text, Self::Message, Self::Session];

    /// Its number in stores.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Message => 1,
            Self::Session => 2,
        }
    }

    /// The subject of a number; `None` for a number that is nobody's.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.number() == number)
    }
}

/// One thing that was seen, in the order of their ranks. The ranks stand in databases: they are never changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Mark {
    /// A text was accepted, or a message commanded.
    Begun,
    /// Tropo has a session for the message.
    Launched,
    /// It is among the dead letters. Whatever end comes later, after a replay, ranks higher.
    Dead,
    /// The message was refused before any session had it. A replay may still send it.
    Refused,
    /// The message's time ran out.
    Expired,
    /// The message may not be sent.
    Suppressed,
    /// Nothing answers the text, or the session.
    Ignored,
    /// A command names this as its cause. It is an answer if this is a text; it may be any other event.
    Caused,
    /// A command answers this text.
    Answered,
    /// A session has the message.
    Released,
    /// No result came in time.
    Unconfirmed,
    /// Tropo took the message.
    Sent,
    /// A session had the message, and it did not arrive.
    Failed,
    /// The carrier delivered the message.
    Delivered,
}

impl Mark {
    /// All of them, the lowest rank first.
    pub const ALL: [Self; 14] = [
        Self::Begun,
        Self::Launched,
        Self::Dead,
        Self::Refused,
        Self::Expired,
        Self::Suppressed,
        Self::Ignored,
        Self::Caused,
        Self::Answered,
        Self::Released,
        Self::Unconfirmed,
        Self::Sent,
        Self::Failed,
        Self::Delivered,
    ];

    fn bit(self) -> i32 {
        1 << (self as i32)
    }
}

/// Marks that were seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Marks(i32);

impl Marks {
    /// These marks and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this was seen.
    #[must_use]
    pub fn has(self, mark: Mark) -> bool {
        self.0 & mark.bit() != 0
    }

    /// Where it stands; `None` while nothing was seen of it but that something names it as its cause: then it is no
    /// text.
    #[must_use]
    pub fn standing(self) -> Option<Standing> {
        if self == Self::from(Mark::Caused) {
            return None;
        }
        let highest = Mark::ALL.into_iter().rev().find(|mark| self.has(*mark))?;
        Some(match highest {
            Mark::Begun | Mark::Launched => Standing::Waiting,
            Mark::Dead => Standing::Dead,
            Mark::Refused | Mark::Failed => Standing::Failed,
            Mark::Expired => Standing::Expired,
            Mark::Suppressed => Standing::Suppressed,
            Mark::Ignored => Standing::Ignored,
            Mark::Caused | Mark::Answered => Standing::Answered,
            Mark::Released => Standing::Released,
            Mark::Unconfirmed => Standing::Unconfirmed,
            Mark::Sent => Standing::Sent,
            Mark::Delivered => Standing::Delivered,
        })
    }

    /// The marks as stores have them.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// The marks of a number; `None` for one that this version cannot have written.
    #[must_use]
    pub fn of_number(number: i32) -> Option<Self> {
        (0 <= number && number < 1 << Mark::ALL.len()).then_some(Self(number))
    }
}

impl From<Mark> for Marks {
    fn from(mark: Mark) -> Self {
        Self(mark.bit())
    }
}

/// Where a text or a message stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// On its queue, as far as is known.
    Waiting,
    /// With a session whose result is not in.
    Released,
    /// A text that was answered.
    Answered,
    /// A text, or a session, that nothing answers.
    Ignored,
    /// Among the dead letters.
    Dead,
    /// Refused, or reported not to have arrived.
    Failed,
    /// Not sent in its time.
    Expired,
    /// Not to be sent.
    Suppressed,
    /// Released, and no result came.
    Unconfirmed,
    /// Taken by Tropo.
    Sent,
    /// Delivered by the carrier.
    Delivered,
}

impl Standing {
    /// Its number in stores: the rank of the lowest mark that means it. Never changed.
    pub(crate) fn number(self) -> i16 {
        match self {
            Self::Waiting => 0,
            Self::Dead => 2,
            Self::Failed => 3,
            Self::Expired => 4,
            Self::Suppressed => 5,
            Self::Ignored => 6,
            Self::Answered => 7,
            Self::Released => 9,
            Self::Unconfirmed => 10,
            Self::Sent => 11,
            Self::Delivered => 13,
        }
    }

    /// What alone can stand there, of texts and messages; `None` if both can.
    pub(crate) fn subject(self) -> Option<Subject> {
        match self {
            Self::Answered | Self::Ignored => Some(Subject::Text),
            Self::Released
            | Self::Failed
            | Self::Expired
            | Self::Suppressed
            | Self::Unconfirmed
            | Self::Sent
            | Self::Delivered => Some(Subject::Message),
            Self::Waiting | Self::Dead => None,
        }
    }

    /// Whether something is still to come.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Released)
    }
}

/// What SQL calls open, on a column `marks`: it says of each set of marks what [`Standing::is_open`] says. Higher marks
/// make greater numbers, so a rank is a range.
macro_rules! open_in_sql {
    () => {
        "(marks < 4 OR marks BETWEEN 512 AND 1023)"
    };
}
/// The first half of it: what waits on a queue.
macro_rules! waiting_in_sql {
    () => {
        "marks < 4"
    };
}
/// The second half: what a session has.
macro_rules! released_in_sql {
    () => {
        "marks BETWEEN 512 AND 1023"
    };
}
/// Of what ended, that which a replay may still give another end: dead, refused, or expired.
macro_rules! replayable_in_sql {
    () => {
        "marks < 32"
    };
}
pub(crate) use {open_in_sql, released_in_sql, replayable_in_sql, waiting_in_sql};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(marks: &[Mark], expected: Standing) {
        let all = marks.iter().fold(Marks::default(), |all, mark| all.and((*mark).into()));
        assert_eq!(all.standing(), Some(expected), "{marks:?}");
    }

    #[test]
    fn what_is_said_later_in_a_conversation_wins_whenever_it_comes() {
        check(&[Mark::Begun], Standing::Waiting);
        check(&[Mark::Begun, Mark::Launched], Standing::Waiting);
        check(&[Mark::Begun, Mark::Launched, Mark::Released], Standing::Released);
        check(&[Mark::Sent, Mark::Begun], Standing::Sent);
        check(&[Mark::Sent, Mark::Unconfirmed], Standing::Sent);
        check(&[Mark::Begun, Mark::Released, Mark::Sent, Mark::Delivered], Standing::Delivered);
        check(&[Mark::Begun, Mark::Released, Mark::Sent, Mark::Failed], Standing::Failed);
    }

    #[test]
    fn a_replayed_dead_letter_ends_as_it_ends_then() {
        check(&[Mark::Begun, Mark::Dead], Standing::Dead);
        check(&[Mark::Begun, Mark::Dead, Mark::Answered], Standing::Answered);
        // Refused, so failed and dead: one message. Then replayed, and on its way, and sent.
        check(&[Mark::Begun, Mark::Refused, Mark::Dead], Standing::Failed);
        check(&[Mark::Begun, Mark::Refused, Mark::Dead, Mark::Released], Standing::Released);
        check(&[Mark::Begun, Mark::Refused, Mark::Dead, Mark::Released, Mark::Sent], Standing::Sent);
        check(&[Mark::Begun, Mark::Expired, Mark::Dead], Standing::Expired);
    }

    #[test]
    fn what_is_only_named_as_a_cause_is_no_text_until_it_is_seen() {
        assert_eq!(Marks::from(Mark::Caused).standing(), None);
        check(&[Mark::Begun, Mark::Caused], Standing::Answered);
        assert_eq!(Marks::default().standing(), None);
    }

    #[test]
    fn sql_and_rust_agree_on_what_is_open() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let is = |condition: &str, marks: Marks| -> bool {
            let asked = format!("SELECT {condition} FROM (SELECT ?1 AS marks)");
            connection.query_row(&asked, [marks.number()], |row| row.get(0)).unwrap()
        };
        for number in 1..1 << Mark::ALL.len() {
            let marks = Marks::of_number(number).unwrap();
            let standing = marks.standing();
            assert_eq!(is(open_in_sql!(), marks), standing.is_some_and(Standing::is_open), "{marks:?}");
            assert_eq!(is(waiting_in_sql!(), marks), standing == Some(Standing::Waiting), "{marks:?}");
            assert_eq!(is(released_in_sql!(), marks), standing == Some(Standing::Released), "{marks:?}");
            let ended = standing.is_some_and(|standing| !standing.is_open());
            let is_replayable = match standing {
                Some(Standing::Dead | Standing::Expired) => true,
                Some(Standing::Failed) => !marks.has(Mark::Failed),
                _ => false,
            };
            assert_eq!(ended && is(replayable_in_sql!(), marks), is_replayable, "{marks:?}");
        }
        assert_eq!(Marks::of_number(1 << Mark::ALL.len()), None);
        assert_eq!(Marks::of_number(-1), None);
    }
}
