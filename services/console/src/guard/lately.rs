//! Who was signed in lately: so that a database that is away for a moment signs nobody out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::Timestamp;
use store::{Digest, SignedIn};

/// How long it holds what the database said. A session that ended at another replica may go on here for so long.
const HOLDS: Duration = Duration::from_mins(5);

/// How many sessions are remembered.
const REMEMBERED_MAX: usize = 1000;

/// The sessions that the database knew lately, and until when that holds.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<HashMap<Digest, (SignedIn, Timestamp)>>);

impl Lately {
    /// What the database says of a session.
    pub(super) fn learn(&self, session: &Digest, signed_in: Option<&SignedIn>, now: Timestamp) {
        let mut known = self.known();
        let Some(signed_in) = signed_in else {
            known.remove(session);
            return;
        };
        if REMEMBERED_MAX <= known.len() && !known.contains_key(session) {
            known.retain(|_, (_, until)| now < *until);
            // Where all of them are in use, the new one does without.
            if REMEMBERED_MAX <= known.len() {
                return;
            }
        }
        let until = now.checked_add(HOLDS).unwrap_or(now).min(signed_in.until);
        known.insert(*session, (signed_in.clone(), until));
    }

    /// What the database said of a session, if that still holds.
    pub(super) fn find(&self, session: &Digest, now: Timestamp) -> Option<SignedIn> {
        self.known().get(session).filter(|(_, until)| now < *until).map(|(signed_in, _)| signed_in.clone())
    }

    /// Somebody signs out.
    pub(super) fn forget(&self, session: &Digest) {
        self.known().remove(session);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, (SignedIn, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn session(number: u64, until: i64) -> SignedIn {
        let mut session = [0; 32];
        session[..8].copy_from_slice(&number.to_be_bytes());
        SignedIn { session, user: "ann".to_owned(), proof: [0; 32], since: at(0), until: at(until) }
    }

    #[test]
    fn what_the_database_said_holds_for_a_while_and_not_beyond_the_end() {
        let lately = Lately::default();
        let (long, short) = (session(1, 10_000), session(2, 100));
        for signed_in in [&long, &short] {
            lately.learn(&signed_in.session, Some(signed_in), at(0));
        }
        assert_eq!(lately.find(&long.session, at(299)), Some(long.clone()));
        assert_eq!(lately.find(&long.session, at(300)), None);
        assert_eq!(lately.find(&short.session, at(99)), Some(short.clone()));
        assert_eq!(lately.find(&short.session, at(100)), None);
        lately.forget(&long.session);
        assert_eq!(lately.find(&long.session, at(1)), None);
        lately.learn(&short.session, None, at(1));
        assert_eq!(lately.find(&short.session, at(1)), None);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let lately = Lately::default();
        for number in 0..=1000 {
            let signed_in = session(number, 10_000);
            lately.learn(&signed_in.session, Some(&signed_in), at(0));
        }
        assert_eq!(lately.find(&session(1000, 0).session, at(0)), None);
        let late = session(2000, 10_000);
        lately.learn(&late.session, Some(&late), at(301));
        assert_eq!(lately.find(&late.session, at(301)), Some(late));
        assert_eq!(lately.known().len(), 1);
    }
}
