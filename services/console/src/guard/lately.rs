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

/// What is known of a session, and until when that holds.
#[derive(Debug)]
struct Known {
    /// Who is signed in; `None`: it has ended, whatever a request that was in hand by then has read.
    signed_in: Option<SignedIn>,
    until: Timestamp,
}

/// The sessions that the database knew lately.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<HashMap<Digest, Known>>);

impl Lately {
    /// What the database says of a session.
    pub(super) fn learn(&self, session: &Digest, signed_in: Option<&SignedIn>, now: Timestamp) {
        let mut known = self.known();
        if known.get(session).is_some_and(|known| known.signed_in.is_none() && now < known.until) {
            return;
        }
        let Some(signed_in) = signed_in else {
            known.remove(session);
            return;
        };
        let until = holds(now).min(signed_in.until);
        remember(&mut known, session, Known { signed_in: Some(signed_in.clone()), until }, now);
    }

    /// What the database said of a session, if that still holds.
    pub(super) fn find(&self, session: &Digest, now: Timestamp) -> Option<SignedIn> {
        self.known().get(session).filter(|known| now < known.until)?.signed_in.clone()
    }

    /// Somebody signs out.
    pub(super) fn end(&self, session: &Digest, now: Timestamp) {
        let mut known = self.known();
        known.remove(session);
        remember(&mut known, session, Known { signed_in: None, until: holds(now) }, now);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holds(now: Timestamp) -> Timestamp {
    now.checked_add(HOLDS).unwrap_or(now)
}

/// Remembers it, if there is room: where all that are remembered are in use, a new one does without.
fn remember(all: &mut HashMap<Digest, Known>, session: &Digest, known: Known, now: Timestamp) {
    if REMEMBERED_MAX <= all.len() && !all.contains_key(session) {
        all.retain(|_, known| now < known.until);
    }
    if all.len() < REMEMBERED_MAX || all.contains_key(session) {
        all.insert(*session, known);
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
        lately.end(&long.session, at(1));
        assert_eq!(lately.find(&long.session, at(1)), None);
        // A request that was in hand read of it before.
        lately.learn(&long.session, Some(&long), at(2));
        assert_eq!(lately.find(&long.session, at(2)), None);
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
