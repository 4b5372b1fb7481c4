//! Who may be texted: what people chose, and what operators recorded for them.

use std::time::Duration;

use protocol::{Address, BackendName, EventId, Timestamp};

use crate::LedgerError;
use crate::ledger::BoxFuture;

/// How many changes of one person [`Consents::history`] tells: the latest.
pub const HISTORY_MAX: u32 = 1000;

/// How far the clocks may be apart of two who record choices: replicas, or an operator's machine.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(2);

/// What a person chose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Choice {
    /// To be texted.
    In,
    /// Not to be texted.
    Out,
}

impl Choice {
    /// The word for it, as stores have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// The choice of a word; `None` for a word that is none.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::In, Self::Out].into_iter().find(|choice| choice.as_str() == word)
    }

    /// Since when this choice stands that was made at an instant, beside the latest that is known; `None`: it does not.
    ///
    /// The later choice stands, whichever is heard of first: a text that comes late changes nothing. But clocks differ,
    /// and somebody who is texted in error is worse off than somebody who is not: so of two choices at nearly the same
    /// time, to be out is the one that stands if it is heard of last.
    pub(crate) fn takes_effect(self, at: Timestamp, known: Option<&Consent>) -> Option<Timestamp> {
        let since = known.map_or(at, |known| known.since.max(at));
        let latest = match self {
            Self::In => at,
            Self::Out => at.saturating_add(CLOCK_SKEW_MAX).unwrap_or(Timestamp::MAX),
        };
        (since <= latest).then_some(since)
    }
}

/// Something about a person's consent, to be kept on record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsentChange {
    /// The text that caused it; where an operator did, a fresh id. One cause changes one thing, however often it comes.
    pub cause: EventId,
    /// The backend.
    pub backend: BackendName,
    /// The person.
    pub person: Address,
    /// What was chosen; `None`: nothing changes, but the reply may be sent.
    pub choice: Option<Choice>,
    /// The keyword that was texted, or who the operator was.
    pub word: String,
    /// The one message that may be sent to the person all the same: the answer.
    pub reply: Option<EventId>,
    /// When it was chosen.
    pub at: Timestamp,
}

/// What a person chose last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consent {
    /// The backend.
    pub backend: BackendName,
    /// The person.
    pub person: Address,
    /// The choice.
    pub choice: Choice,
    /// When it was made, in whole microseconds.
    pub since: Timestamp,
    /// As [`ConsentChange::cause`].
    pub cause: EventId,
    /// As [`ConsentChange::word`].
    pub word: String,
}

/// A record of who may be texted. Who made no choice may be.
///
/// The ledger grants no message to somebody who opted out ([`crate::Ledger::claim`]): from the moment that a change was
/// answered, no claim is granted against it.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Every operation may be repeated.
pub trait Consents: Send + Sync {
    /// The latest choice of a person, if one was made.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn consent<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Consent>, LedgerError>>;

    /// Records a change. Of two choices the later stands, whichever is heard of first; the other is on record.
    ///
    /// # Errors
    /// [`LedgerError`]: it is not known whether it is recorded, so nobody may be told so.
    fn change(&self, change: ConsentChange) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// What is on record of a person, oldest first: the latest [`HISTORY_MAX`] changes.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn history<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Vec<ConsentChange>, LedgerError>>;

    /// Who opted out, in the order of backends and people: at most `limit`, those after this person of this backend, or
    /// from its first person on.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn opted_out<'a>(
        &'a self,
        after: Option<(&'a BackendName, Option<&'a Address>)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Consent>, LedgerError>>;

    /// Whether this message may be sent to that person now: they did not opt out, or it is the answer to their choice.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn permits<'a>(
        &'a self,
        message_id: EventId,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<bool, LedgerError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[track_caller]
    fn check(since: i64, next: Choice, chosen: i64, expected: Option<i64>) {
        let known = Consent {
            backend: "b".parse().unwrap(),
            person: "+15555550177".parse().unwrap(),
            choice: if next == Choice::In { Choice::Out } else { Choice::In },
            since: at(since),
            cause: EventId::from(uuid::Uuid::nil()),
            word: "stop".to_owned(),
        };
        assert_eq!(next.takes_effect(at(chosen), Some(&known)), expected.map(at), "{next:?} at {chosen}");
    }

    #[test]
    fn the_later_choice_stands() {
        check(10, Choice::In, 11, Some(11));
        check(10, Choice::In, 10, Some(10));
        check(10, Choice::In, 9, None);
        check(10, Choice::Out, 11, Some(11));
        check(1000, Choice::Out, 10, None);
        assert_eq!(Choice::In.takes_effect(at(1), None), Some(at(1)));
    }

    #[test]
    fn a_clock_that_is_behind_keeps_nobody_in() {
        check(1000, Choice::Out, 880, Some(1000));
        check(1000, Choice::Out, 879, None);
        check(1000, Choice::In, 999, None);
    }
}
