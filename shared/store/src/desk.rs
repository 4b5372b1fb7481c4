//! What the console keeps: who is signed in, what was asked for once, and who did what.

use protocol::{EventId, Timestamp};

use crate::LedgerError;
use crate::ledger::BoxFuture;

/// A hash of something that only its bearer knows.
pub type Digest = [u8; 32];

/// Somebody who is signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// The hash of the secret in the cookie.
    pub session: Digest,
    /// The name of the user.
    pub user: String,
    /// The hash of what they signed in with: with another password they are signed in no longer.
    pub proof: Digest,
    /// Since when, in whole microseconds.
    pub since: Timestamp,
    /// Until when, at the longest.
    pub until: Timestamp,
}

/// A request that is to be carried out once, however often it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The hash of who asked, and of the key that they gave it.
    pub key: Digest,
    /// The hash of what was asked for.
    pub content: Digest,
    /// The id of the message that comes of it.
    pub id: EventId,
    /// When it was made first, in whole microseconds.
    pub at: Timestamp,
}

/// What is known of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requested {
    /// Nothing was: it is on record now.
    First,
    /// It was made before, and its message has this id.
    Again(EventId),
    /// Something else was asked for with the same key.
    Other,
}

/// Something that somebody did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// When, in whole microseconds.
    pub at: Timestamp,
    /// Who: the name of a user, or of a token.
    pub who: String,
    /// What, as in `dead_letters.replay`.
    pub action: String,
    /// With what, as JSON text: nobody's number and nobody's words.
    pub detail: String,
}

/// An act with its number, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberedAct {
    /// The number.
    pub number: i64,
    /// The act.
    pub act: Act,
}

/// What the console keeps.
///
/// # Cancel safety
/// Dropping a future leaves open whether the operation was done. Every operation may be repeated.
pub trait Desk: Send + Sync {
    /// Somebody signs in.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn sign_in<'a>(&'a self, signed_in: &'a SignedIn) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// Who is signed in with a session, if it has not ended by then.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn signed_in<'a>(
        &'a self,
        session: &'a Digest,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<SignedIn>, LedgerError>>;

    /// Ends a session.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn sign_out<'a>(&'a self, session: &'a Digest) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// Puts a request on record, or tells what is on record of it. Of two who ask at once, one is the first. Whoever is
    /// told that it was made before cannot know whether it was carried out: so it is such that it may be done again.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn request<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Requested, LedgerError>>;

    /// Takes note of an act. One that is the same in every respect, the microsecond included, is the same act.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn note_act<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// Acts, the newest first, before a number.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn acts(&self, before: Option<i64>, limit: u32) -> BoxFuture<'_, Result<Vec<NumberedAct>, LedgerError>>;

    /// The newest acts of one name with certain words in their details, as many as `limit` at most. It reads through all
    /// acts, of which there are few.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn acts_with<'a>(
        &'a self,
        action: &'a str,
        words: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<NumberedAct>, LedgerError>>;

    /// Forgets sessions that ended by `now`, and requests and acts of before an instant: at most `limit` of each.
    /// Says how many in all.
    ///
    /// # Errors
    /// [`LedgerError`] says who must act.
    fn forget_desk(&self, now: Timestamp, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>>;
}
