//! A circuit breaker: an application that fails is left alone for a while, and then tried with one question.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open it.
const ROW: u32 = 5;

/// So many of the last ones, too.
const LAST: u32 = 20;
const SHARE: u32 = 10;

/// How long it stays open: the first time, and the longest; it doubles with each trial that fails.
const OPEN_FIRST: Duration = Duration::from_secs(1);
const OPEN_LONGEST: Duration = Duration::from_secs(15);

/// Decides who may ask an application.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    /// Anybody may ask. A bit for each of the last questions, the latest the lowest: 1 where it failed.
    Closed { failures: u32 },
    /// Nobody may, until then.
    Open { until: Instant, wait: Duration },
    /// One may, and is asking.
    Trial { wait: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What became of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody needs to know.
    None,
    /// It opened, and nobody asks for so long.
    Opened(Duration),
    /// It opened again after a trial.
    Reopened,
    /// The trial went well.
    Closed,
}

/// How a question went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// There was an answer.
    Well,
    /// There was none.
    Wrong,
    /// There was none, and the application asked to be left alone for so long.
    Rest(Duration),
}

/// A question under way. Dropped without its end it says nothing about the application.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    breaker: &'a Breaker,
    is_trial: bool,
}

impl Breaker {
    /// Whether the application may be asked at all.
    ///
    /// # Errors
    /// How long nobody may.
    pub(super) fn look(&self) -> Result<(), Duration> {
        self.with(|state| match *state {
            State::Closed { .. } => Ok(()),
            State::Open { until, .. } => closed_in(until).map_or(Ok(()), Err),
            State::Trial { wait } => Err(wait),
        })
    }

    /// Begins a question.
    ///
    /// # Errors
    /// How long nobody may ask.
    pub(super) fn begin(&self) -> Result<Turn<'_>, Duration> {
        self.with(|state| match *state {
            State::Closed { .. } => Ok(Turn { breaker: self, is_trial: false }),
            State::Trial { wait } => Err(wait),
            State::Open { until, wait } => match closed_in(until) {
                Some(left) => Err(left),
                None => {
                    *state = State::Trial { wait };
                    Ok(Turn { breaker: self, is_trial: true })
                }
            },
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn<'_> {
    /// It went so.
    pub(super) fn ended(self, went: Went) -> Change {
        self.breaker.with(|state| {
            let (next, change) = match (*state, went) {
                // Who asks for rest gets it, whenever the question began.
                (State::Open { until, wait }, Went::Rest(asked)) => {
                    (State::Open { until: until.max(Instant::now() + asked), wait }, Change::None)
                }
                (State::Trial { .. }, Went::Rest(asked)) => (open(asked.max(OPEN_FIRST)), Change::Reopened),
                // Besides, what began before the breaker opened says nothing about what is now.
                (State::Open { .. }, Went::Well | Went::Wrong) => return Change::None,
                (State::Trial { .. }, Went::Well | Went::Wrong) if !self.is_trial => return Change::None,
                (State::Trial { .. }, Went::Well) => (State::default(), Change::Closed),
                (State::Trial { wait }, Went::Wrong) => (open((wait * 2).min(OPEN_LONGEST)), Change::Reopened),
                (State::Closed { .. }, Went::Rest(asked)) => {
                    let wait = asked.max(OPEN_FIRST);
                    (open(wait), Change::Opened(wait))
                }
                (State::Closed { failures }, Went::Well) => (State::Closed { failures: failures << 1 }, Change::None),
                (State::Closed { failures }, Went::Wrong) => {
                    let failures = failures << 1 | 1;
                    let among_last = failures & ((1 << LAST) - 1);
                    if ROW <= failures.trailing_ones() || SHARE <= among_last.count_ones() {
                        (open(OPEN_FIRST), Change::Opened(OPEN_FIRST))
                    } else {
                        (State::Closed { failures }, Change::None)
                    }
                }
            };
            *state = next;
            change
        })
    }
}

impl Drop for Turn<'_> {
    /// A trial that is given up leaves the place to another.
    fn drop(&mut self) {
        if self.is_trial {
            self.breaker.with(|state| {
                if let State::Trial { wait } = *state {
                    *state = State::Open { until: Instant::now(), wait };
                }
            });
        }
    }
}

fn open(wait: Duration) -> State {
    // A rest of the application's choosing is no measure of the next one.
    State::Open { until: Instant::now() + wait, wait: wait.min(OPEN_LONGEST) }
}

/// How long until then; `None` once that is over.
fn closed_in(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(breaker: &Breaker, went: Went) -> Change {
        breaker.begin().unwrap().ended(went)
    }

    /// Opened by failures.
    fn open_breaker() -> Breaker {
        let breaker = Breaker::default();
        for _ in 1..ROW {
            assert_eq!(ask(&breaker, Went::Wrong), Change::None);
        }
        assert_eq!(ask(&breaker, Went::Wrong), Change::Opened(OPEN_FIRST));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_one_trial_closes_it() {
        let breaker = open_breaker();
        assert_eq!(breaker.begin().map(drop), Err(OPEN_FIRST));
        assert_eq!(breaker.look(), Err(OPEN_FIRST));
        tokio::time::sleep(OPEN_FIRST).await;
        assert_eq!(breaker.look(), Ok(()));
        let trial = breaker.begin().unwrap();
        assert_eq!(breaker.begin().map(drop), Err(OPEN_FIRST), "one alone");
        assert_eq!(trial.ended(Went::Well), Change::Closed);
        for _ in 1..ROW {
            assert_eq!(ask(&breaker, Went::Wrong), Change::None, "what was before is forgotten");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_trial_that_fails_doubles_the_wait() {
        let breaker = open_breaker();
        let mut wait = OPEN_FIRST;
        for _ in 0..6 {
            tokio::time::sleep(wait).await;
            assert_eq!(ask(&breaker, Went::Wrong), Change::Reopened);
            wait = (wait * 2).min(OPEN_LONGEST);
            assert_eq!(breaker.look(), Err(wait));
        }
        assert_eq!(wait, OPEN_LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_last_ones_open_it_too() {
        let breaker = Breaker::default();
        for _ in 1..SHARE {
            assert_eq!(ask(&breaker, Went::Wrong), Change::None);
            assert_eq!(ask(&breaker, Went::Well), Change::None);
        }
        assert_eq!(ask(&breaker, Went::Wrong), Change::Opened(OPEN_FIRST));
        let rarely = Breaker::default();
        for _ in 0..100 {
            assert_eq!(ask(&rarely, Went::Wrong), Change::None);
            assert_eq!(ask(&rarely, Went::Well), Change::None);
            assert_eq!(ask(&rarely, Went::Well), Change::None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_application_that_asks_for_rest_gets_it() {
        let breaker = Breaker::default();
        let asked = Duration::from_mins(1);
        assert_eq!(ask(&breaker, Went::Rest(asked)), Change::Opened(asked));
        assert_eq!(breaker.look(), Err(asked));
        tokio::time::sleep(asked).await;
        assert_eq!(ask(&breaker, Went::Well), Change::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_is_kept_to_whenever_the_question_began() {
        let breaker = Breaker::default();
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        let [short, long, shorter, late] = [(); 4].map(|()| breaker.begin().unwrap());
        assert_eq!(short.ended(Went::Rest(second)), Change::Opened(second));
        assert_eq!((long.ended(Went::Rest(minute)), breaker.look()), (Change::None, Err(minute)));
        assert_eq!((shorter.ended(Went::Rest(second)), breaker.look()), (Change::None, Err(minute)));
        tokio::time::sleep(minute).await;
        let trial = breaker.begin().unwrap();
        assert_eq!((late.ended(Went::Rest(minute)), breaker.look()), (Change::Reopened, Err(minute)));
        assert_eq!((trial.ended(Went::Well), breaker.look()), (Change::None, Err(minute)), "the rest is kept to");
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_it_opened_changes_nothing() {
        let breaker = Breaker::default();
        let early: Vec<_> = (0..ROW + 2).map(|_| breaker.begin().unwrap()).collect();
        let changes: Vec<_> = early.into_iter().map(|turn| turn.ended(Went::Wrong)).collect();
        assert_eq!(changes.iter().filter(|change| **change != Change::None).count(), 1);
        assert_eq!(breaker.look(), Err(OPEN_FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_dropped_leaves_its_place_to_another() {
        let breaker = open_breaker();
        tokio::time::sleep(OPEN_FIRST).await;
        drop(breaker.begin().unwrap());
        assert_eq!(ask(&breaker, Went::Well), Change::Closed);
    }
}
