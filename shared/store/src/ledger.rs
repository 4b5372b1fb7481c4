//! What a release ledger promises, whatever database keeps it.

use std::pin::Pin;

use protocol::{BackendName, EventId, MessageSend, SessionId, Timestamp};

use crate::{Claim, Claimed, LedgerError, Outcome};

/// A future in a box, so that a ledger can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A message that was handed to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    /// The message.
    pub message_id: EventId,
    /// The session that holds it.
    pub session_id: SessionId,
    /// The backend of both.
    pub backend: BackendName,
    /// The conversation, where it had one.
    pub correlation_id: Option<SessionId>,
    /// Which launch of the message the session came from.
    pub attempt: u32,
    /// Which life of the message this is: 0, and one more after each replay, and for each session that was handed the
    /// message because another's result did not come. What is told of a message bears it in its id.
    pub life: u32,
    /// When it was claimed.
    pub released_at: Timestamp,
    /// How it ended, if that is known.
    pub outcome: Option<Outcome>,
    /// Since when that is known.
    pub outcome_at: Option<Timestamp>,
}

/// "This message shall not be released any more."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GiveUp {
    /// The message.
    pub message_id: EventId,
    /// Its backend.
    pub backend: BackendName,
    /// The conversation, where it has one.
    pub correlation_id: Option<SessionId>,
    /// How often it was launched.
    pub attempts: u32,
    /// Why.
    pub why: Why,
    /// Now.
    pub at: Timestamp,
}

/// Why a message was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// Its time to live ran out.
    Expired,
    /// Tropo refused it for good.
    Refused {
        /// In which words.
        detail: String,
    },
    /// The person it is for opted out.
    OptedOut,
}

/// A message that no session gets any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// The message.
    pub message_id: EventId,
    /// As [`Release::life`].
    pub life: u32,
    /// How often it was launched.
    pub attempts: u32,
    /// Why.
    pub why: Why,
    /// Since when.
    pub at: Timestamp,
}

/// What became of giving a message up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GaveUp {
    /// It is given up from now on.
    Recorded(GivenUp),
    /// It was given up before, or the answer to that was lost: as it was said first.
    Already(GivenUp),
    /// A session was handed the message: it is not given up. If it was to be handed to another session, for want of a
    /// result, that is over now, and it is unconfirmed.
    Released(Release),
}

impl From<GaveUp> for Record {
    fn from(gave_up: GaveUp) -> Self {
        match gave_up {
            GaveUp::Recorded(given_up) | GaveUp::Already(given_up) => Self::GivenUp(given_up),
            GaveUp::Released(release) => Self::Released(release),
        }
    }
}

/// What is on record about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A session holds it.
    Released(Release),
    /// No session gets it.
    GivenUp(GivenUp),
    /// It was reopened: the next session that claims it gets it.
    Open,
}

/// A release whose result is not there in its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overdue {
    /// The release.
    pub release: Release,
    /// Since when it is open to another session, if it is. It was not commanded again yet.
    pub open_since: Option<Timestamp>,
    /// The command, where it was kept to be sent again.
    pub command: Option<Box<MessageSend>>,
}

/// The overdue releases of a backend, and what there is beside them.
#[derive(Clone, Debug, Default)]
pub struct AllOverdue {
    /// Those that can be understood, oldest first.
    pub readable: Vec<Overdue>,
    /// The messages whose rows cannot be, and why.
    pub unreadable: Vec<(EventId, LedgerError)>,
}

impl FromIterator<Result<Overdue, (EventId, LedgerError)>> for AllOverdue {
    fn from_iter<T: IntoIterator<Item = Result<Overdue, (EventId, LedgerError)>>>(rows: T) -> Self {
        let mut all = Self::default();
        for row in rows {
            match row {
                Ok(overdue) => all.readable.push(overdue),
                Err(unreadable) => all.unreadable.push(unreadable),
            }
        }
        all
    }
}

/// What became of an outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// It is recorded; the release as it is now.
    Recorded(Release),
    /// An outcome that it may not replace was there: the release as it is. The same outcome means that it was reported
    /// twice, or that the answer to the first report was lost: what follows from it may be published again.
    Unchanged(Release),
    /// The session does not hold the message.
    NotHolder,
}

/// A durable record of which message was handed to which session, and of those that no session gets any more.
///
/// A message is in one of these states, and every change is one transaction on its one row:
///
/// ```text
/// (none)   --claim(S)-->   held by S  --settle(S)-->  held by S, with an outcome
/// (none)   --give_up-->    given up
/// given up --replay-->     open
/// (none), open --claim, for a person who opted out--> as by give_up
/// held by S, no outcome --reopen--> open, S remembered
/// open     --claim(any)--> held by that session
/// open     --give_up-->    given up; but where S is remembered: held by S, unconfirmed
/// open     --settle(S)-->  held by S, with that outcome
/// ```
///
/// Every answer is given after what it says is on disk, and every method may be called again after any error.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Asking again tells.
pub trait Ledger: Send + Sync {
    /// Claims a message for a session, by one atomic statement: of all claims of a life, by whatever replica, one is
    /// granted. None is for a person who opted out, unless [`crate::Consents::permits`] says otherwise of the message: it
    /// is given up then, in the same transaction. (A message that was to be handed to another session, for want of a
    /// result, stays with the first one then, and is unconfirmed.)
    ///
    /// # Errors
    /// [`LedgerError`]: it is not known who holds the message, so nothing may be released.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>>;

    /// The releases of these messages, in no order; a message that no session holds is left out.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn find<'a>(&'a self, message_ids: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>>;

    /// What is on record about a message.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn look_up(&self, message_id: EventId) -> BoxFuture<'_, Result<Option<Record>, LedgerError>>;

    /// What a session holds, or held last, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn find_by_session<'a>(
        &'a self,
        backend: &'a BackendName,
        session_id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>>;

    /// Records how a release ended, if [`Outcome::replaces`] allows it and the session holds the message.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn settle<'a>(
        &'a self,
        message_id: EventId,
        session_id: &'a SessionId,
        outcome: Outcome,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Settled, LedgerError>>;

    /// Gives a message up, unless a session was handed it.
    ///
    /// # Errors
    /// [`LedgerError`]: it is not known whether it is given up, so nobody may be told so.
    fn give_up(&self, give_up: GiveUp) -> BoxFuture<'_, Result<GaveUp, LedgerError>>;

    /// Opens a message that was given up before an instant, because an operator replayed it then; whether that was done
    /// now. Where not, it had been done, or there was nothing to do: what is on record tells.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn replay(
        &self,
        message_id: EventId,
        given_up_before: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, LedgerError>>;

    /// Opens a release without an outcome to another session; whether that was done now. The session that holds it is
    /// remembered: until another has claimed the message, its result is taken.
    ///
    /// From then on it is overdue again, counted from `at`, until [`Ledger::commanded`].
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn reopen<'a>(&'a self, release: &'a Release, at: Timestamp) -> BoxFuture<'a, Result<bool, LedgerError>>;

    /// Records that a message which was reopened at that instant is commanded again, and forgets the command.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn commanded(&self, message_id: EventId, reopened_at: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Releases of a backend before an instant, without an outcome yet: at most `limit`, oldest first. What was
    /// reopened counts from then, and no longer once it is commanded again. A row that cannot be understood takes its
    /// place in `limit`, and is named beside the others.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn overdue<'a>(
        &'a self,
        backend: &'a BackendName,
        released_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'a, Result<AllOverdue, LedgerError>>;

    /// How many messages are on record.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn count(&self) -> BoxFuture<'_, Result<u64, LedgerError>>;

    /// Forgets at most `limit` messages that ended before an instant, oldest first, and says how many; and of those that
    /// were released or opened before it and came to no end, at most as many. A forgotten message could be claimed anew,
    /// so none may be forgotten while a ticket for it is valid. Forgets as well the commands of all that have an outcome.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn prune(&self, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>>;

    /// Whether the ledger answers now.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn ping(&self) -> BoxFuture<'_, Result<(), LedgerError>>;
}

/// The instant as both databases keep it: in whole microseconds.
pub(crate) fn kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
