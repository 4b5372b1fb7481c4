//! Turns: what is about one person is handled one after the other, and different people side by side.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Hands out turns: of each key one at a time, to whoever asked first.
///
/// Nobody waits for another key, and a key whose turn nobody has takes no room.
pub struct Turns<K: Clone + Eq + Hash> {
    lines: Arc<Lines<K>>,
}

/// The turn of a key: until it is dropped, nobody else has it.
pub struct Turn<K: Clone + Eq + Hash> {
    /// `None` once it was passed on.
    held: Option<Held<K>>,
}

struct Held<K: Clone + Eq + Hash> {
    lines: Arc<Lines<K>>,
    key: K,
}

/// For each key whose turn somebody has: who waits for it.
type Lines<K> = Mutex<HashMap<K, VecDeque<Place<K>>>>;

/// A place in a line. The turn comes to it once.
type Place<K> = oneshot::Sender<Turn<K>>;

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Takes a place in the line of this key, and waits until its turn comes.
    ///
    /// The call itself takes the place, so places are in the order of the calls.
    ///
    /// # Cancel safety
    /// Who stops waiting leaves the line.
    pub fn turn(&self, key: &K) -> impl Future<Output = Turn<K>> + use<K> {
        let (place, waiting) = oneshot::channel();
        match lock(&self.lines).entry(key.clone()) {
            Entry::Occupied(mut line) => line.get_mut().push_back(place),
            Entry::Vacant(line) => {
                line.insert(VecDeque::new());
                let held = Held { lines: Arc::clone(&self.lines), key: key.clone() };
                // Kept in the channel: whoever waits for it is still here.
                drop(place.send(Turn { held: Some(held) }));
            }
        }
        async {
            #[expect(clippy::expect_used, reason = "a place leaves its line only with the turn")]
            waiting.await.expect("the turn comes to every place")
        }
    }
}

impl<K: Clone + Eq + Hash> Held<K> {
    /// The next place in line. Without one the line is gone.
    fn next(&self) -> Option<Place<K>> {
        let mut lines = lock(&self.lines);
        let next = lines.get_mut(&self.key).and_then(VecDeque::pop_front);
        if next.is_none() {
            lines.remove(&self.key);
        }
        next
    }
}

impl<K: Clone + Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        while let Some(held) = self.held.take()
            && let Some(next) = held.next()
        {
            // Whoever stopped waiting gives it back.
            if let Err(mut unwanted) = next.send(Self { held: Some(held) }) {
                self.held = unwanted.held.take();
            }
        }
    }
}

fn lock<K: Clone + Eq + Hash>(lines: &Lines<K>) -> MutexGuard<'_, HashMap<K, VecDeque<Place<K>>>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Clone + Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self { lines: Arc::default() }
    }
}

/// Shows no key: it may be a person.
impl<K: Clone + Eq + Hash> fmt::Debug for Turns<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Turn<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn those_of_one_key_are_one_after_the_other_in_their_order() {
        let turns = Turns::default();
        let log = Mutex::new(Vec::new());
        let go = async |key: &'static str, n: u32| {
            let _turn = turns.turn(&key).await;
            log.lock().unwrap().push((key, n, "begins"));
            for _ in 0..(5 - n) {
                tokio::task::yield_now().await;
            }
            log.lock().unwrap().push((key, n, "ends"));
        };
        join_all([go("ann", 0), go("ann", 1), go("bob", 0), go("ann", 2), go("bob", 1)]).await;
        let log = log.into_inner().unwrap();
        for key in ["ann", "bob"] {
            let own: Vec<_> = log.iter().filter(|(of, ..)| *of == key).map(|(_, n, what)| (*n, *what)).collect();
            let expected: Vec<_> = (0..).flat_map(|n| [(n, "begins"), (n, "ends")]).take(own.len()).collect();
            assert_eq!(own, expected);
        }
        assert_eq!(log.iter().position(|line| line.0 == "bob"), Some(1), "nobody waits for another key");
        assert!(lock(&turns.lines).is_empty());
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_nobody_up_whether_its_turn_has_come_or_not() {
        let turns = Turns::default();
        let first = turns.turn(&"ann").await;
        let (second, third, fourth) = (turns.turn(&"ann"), turns.turn(&"ann"), turns.turn(&"ann"));
        let mut fifth = Box::pin(turns.turn(&"ann"));
        drop(second);
        drop(first);
        drop(fourth);
        assert!((&mut fifth).now_or_never().is_none(), "it is the third's turn, which has not asked yet");
        drop(third);
        drop(fifth.now_or_never().unwrap());
        assert!(lock(&turns.lines).is_empty());
        assert!(turns.turn(&"ann").now_or_never().is_some());
    }
}
