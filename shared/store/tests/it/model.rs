//! The ledger against a model of one message's states, on any order of operations.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Choice, Claim, Claimed, GaveUp, GivenUp, Ledger, Opened, Outcome, Record, Settled, Why};

use crate::place::{Place, backend, choice, claim, give_up, message, open_all, person, second, session};

/// Who made no choice, and who opted out.
const IN: &str = "+15555550177";
const OUT: &str = "+15555550178";

/// One operation. Instants are counted in seconds: the operation with index 4 is done at second 5.
#[derive(Clone, Debug)]
enum Operation {
    /// For one of two people, of whom one opted out.
    Claim {
        session: u8,
        is_kept: bool,
        is_out: bool,
    },
    Settle {
        session: u8,
        outcome: Outcome,
    },
    GiveUp {
        end: End,
    },
    /// A replay so many seconds ago.
    Replay {
        ago: i64,
    },
    Reopen {
        session: u8,
        life: u32,
    },
    /// That a message which was reopened so many seconds ago is commanded.
    Commanded {
        ago: i64,
    },
    Prune {
        ago: i64,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        5 => (0..3_u8, any::<bool>(), any::<bool>())
            .prop_map(|(session, is_kept, is_out)| Operation::Claim { session, is_kept, is_out }),
        2 => (0..3_u8, 0..4_usize)
            .prop_map(|(session, outcome)| Operation::Settle { session, outcome: Outcome::ALL[outcome] }),
        3 => prop_oneof![Just(End::Expired), Just(End::Refused), Just(End::OptedOut)]
            .prop_map(|end| Operation::GiveUp { end }),
        3 => (0..3_i64).prop_map(|ago| Operation::Replay { ago }),
        4 => (0..3_u8, 0..3_u32).prop_map(|(session, life)| Operation::Reopen { session, life }),
        2 => (0..3_i64).prop_map(|ago| Operation::Commanded { ago }),
        1 => (0..4_i64).prop_map(|ago| Operation::Prune { ago }),
    ]
}

/// Why the message was given up.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Expired,
    Refused,
    OptedOut,
}

/// What is true of the message.
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    None,
    Held {
        session: u8,
        life: u32,
        at: i64,
        outcome: Option<(Outcome, i64)>,
        is_kept: bool,
    },
    GivenUp {
        life: u32,
        at: i64,
        end: End,
    },
    /// With the session that held it, if one did: since when, and whether its command is kept.
    Open {
        life: u32,
        at: i64,
        holder: Option<(u8, i64, bool)>,
    },
}

/// What an operation answers.
#[derive(PartialEq, Debug)]
enum Answer {
    Granted { at: i64, life: u32 },
    Again { at: i64, life: u32 },
    Refused { holder: u8 },
    GivenUp,
    Suppressed { life: u32, at: i64 },
    Recorded,
    Unchanged,
    NotHolder,
    GaveUp { life: u32, at: i64, end: End },
    GaveUpAlready { life: u32, at: i64, end: End },
    Released { holder: u8, outcome: Option<Outcome> },
    Done(bool),
    Pruned(u64),
}

impl State {
    /// The state after an operation, and its answer.
    fn after(self, operation: &Operation, now: i64) -> (Self, Answer) {
        match *operation {
            Operation::Claim { session, is_kept, is_out } if is_out => self.suppressed(session, is_kept, now),
            Operation::Claim { session, is_kept, .. } => self.claimed(session, is_kept, now),
            Operation::Settle { session, outcome } => self.settled(session, outcome, now),
            Operation::GiveUp { end } => self.given_up(end, now),
            Operation::Replay { ago } => match self {
                Self::GivenUp { life, at, .. } if at < now - ago => {
                    (Self::Open { life: life + 1, at: now, holder: None }, Answer::Done(true))
                }
                state => (state, Answer::Done(false)),
            },
            Operation::Reopen { session, life } => match self {
                Self::Held { session: holder, life: known, at, outcome: None, is_kept }
                    if (holder, known) == (session, life) =>
                {
                    (Self::Open { life, at: now, holder: Some((holder, at, is_kept)) }, Answer::Done(true))
                }
                state => (state, Answer::Done(false)),
            },
            Operation::Commanded { ago } => match self {
                Self::Open { life, at, holder: Some((holder, since, _)) } if at == now - ago => {
                    (Self::Open { life, at, holder: Some((holder, since, false)) }, Answer::Done(true))
                }
                state => (state, Answer::Done(true)),
            },
            Operation::Prune { ago } => {
                let ended = match &self {
                    Self::Held { outcome, at, .. } => Some(outcome.map_or(*at, |(_, at)| at)),
                    Self::GivenUp { at, .. } | Self::Open { at, .. } => Some(*at),
                    Self::None => None,
                };
                let is_forgotten = ended.is_some_and(|at| at < now - ago);
                (if is_forgotten { Self::None } else { self }, Answer::Pruned(is_forgotten.into()))
            }
        }
    }

    fn claimed(self, session: u8, is_kept: bool, now: i64) -> (Self, Answer) {
        let held = |life| {
            let state = Self::Held { session, life, at: now, outcome: None, is_kept };
            (state, Answer::Granted { at: now, life })
        };
        match self {
            Self::None => held(0),
            Self::Open { life, holder, .. } => held(life + u32::from(holder.is_some_and(|held| held.0 != session))),
            Self::Held { session: holder, life, at, .. } if holder == session => (self, Answer::Again { at, life }),
            Self::Held { session: holder, .. } => (self, Answer::Refused { holder }),
            Self::GivenUp { life, at, end: End::OptedOut } => (self, Answer::Suppressed { life, at }),
            Self::GivenUp { .. } => (self, Answer::GivenUp),
        }
    }

    /// A claim for the person who opted out.
    fn suppressed(self, session: u8, is_kept: bool, now: i64) -> (Self, Answer) {
        match self {
            Self::None | Self::Open { .. } => self.given_up(End::OptedOut, now).0.claimed(session, is_kept, now),
            Self::Held { .. } | Self::GivenUp { .. } => self.claimed(session, is_kept, now),
        }
    }

    fn settled(self, session: u8, outcome: Outcome, now: i64) -> (Self, Answer) {
        let (life, at, known) = match self {
            Self::Held { session: holder, life, at, outcome, .. } if holder == session => (life, at, outcome),
            Self::Open { life, holder: Some((holder, at, _)), .. } if holder == session => (life, at, None),
            _ => return (self, Answer::NotHolder),
        };
        if known.is_some_and(|(known, _)| !outcome.replaces().contains(&known)) {
            return (self, Answer::Unchanged);
        }
        let outcome = Some((outcome, now));
        (Self::Held { session, life, at, outcome, is_kept: false }, Answer::Recorded)
    }

    fn given_up(self, end: End, now: i64) -> (Self, Answer) {
        match self {
            Self::None => (Self::GivenUp { life: 0, at: now, end }, Answer::GaveUp { life: 0, at: now, end }),
            Self::Open { life, holder: None, .. } => {
                (Self::GivenUp { life, at: now, end }, Answer::GaveUp { life, at: now, end })
            }
            Self::Open { life, holder: Some((session, at, _)), .. } => {
                let outcome = Some((Outcome::Unconfirmed, now));
                let answer = Answer::Released { holder: session, outcome: Some(Outcome::Unconfirmed) };
                (Self::Held { session, life, at, outcome, is_kept: false }, answer)
            }
            Self::GivenUp { life, at, end } => (self, Answer::GaveUpAlready { life, at, end }),
            Self::Held { session: holder, outcome, .. } => {
                (self, Answer::Released { holder, outcome: outcome.map(|(outcome, _)| outcome) })
            }
        }
    }
}

/// The seconds and the sessions of the model.
fn ago(at: protocol::Timestamp) -> i64 {
    at.as_second() - second(0).as_second()
}

fn number(session: &protocol::SessionId) -> u8 {
    session.as_str().parse().unwrap()
}

fn given_up(known: &GivenUp) -> (u32, i64, End) {
    let end = match known.why {
        Why::Expired => End::Expired,
        Why::Refused { .. } => End::Refused,
        Why::OptedOut => End::OptedOut,
    };
    (known.life, ago(known.at), end)
}

/// Does an operation on the message.
async fn perform(ledger: &dyn Ledger, id: protocol::EventId, operation: &Operation, now: i64) -> Answer {
    match *operation {
        Operation::Claim { session: asks, is_kept, is_out } => {
            let command = is_kept.then(|| Box::new(crate::place::command()));
            let to = person(if is_out { OUT } else { IN });
            let claim = Claim { to, command, ..claim(id, &session(&asks), second(now)) };
            match ledger.claim(claim).await.unwrap() {
                Claimed::Granted { at, life } => Answer::Granted { at: ago(at), life },
                Claimed::Again { at, life } => Answer::Again { at: ago(at), life },
                Claimed::Refused { holder } => Answer::Refused { holder: number(&holder) },
                Claimed::GivenUp => Answer::GivenUp,
                Claimed::Suppressed(known) => {
                    let (life, at, end) = given_up(&known);
                    assert_eq!(end, End::OptedOut);
                    Answer::Suppressed { life, at }
                }
            }
        }
        Operation::Settle { session: reports, outcome } => {
            match ledger.settle(id, &session(&reports), outcome, second(now)).await.unwrap() {
                Settled::Recorded(_) => Answer::Recorded,
                Settled::Unchanged(_) => Answer::Unchanged,
                Settled::NotHolder => Answer::NotHolder,
            }
        }
        Operation::GiveUp { end } => {
            let why = match end {
                End::Expired => Why::Expired,
                End::Refused => Why::Refused { detail: "no".to_owned() },
                End::OptedOut => Why::OptedOut,
            };
            match ledger.give_up(give_up(id, why, second(now))).await.unwrap() {
                GaveUp::Recorded(known) => {
                    let (life, at, end) = given_up(&known);
                    Answer::GaveUp { life, at, end }
                }
                GaveUp::Already(known) => {
                    let (life, at, end) = given_up(&known);
                    Answer::GaveUpAlready { life, at, end }
                }
                GaveUp::Released(held) => Answer::Released { holder: number(&held.session_id), outcome: held.outcome },
            }
        }
        Operation::Replay { ago } => Answer::Done(ledger.replay(id, second(now - ago), second(now)).await.unwrap()),
        Operation::Reopen { session: holder, life } => {
            let held = crate::place::release(&claim(id, &session(&holder), second(0)));
            Answer::Done(ledger.reopen(&store::Release { life, ..held }, second(now)).await.unwrap())
        }
        Operation::Commanded { ago } => {
            ledger.commanded(id, second(now - ago)).await.unwrap();
            Answer::Done(true)
        }
        Operation::Prune { ago } => Answer::Pruned(ledger.prune(second(now - ago), 10).await.unwrap()),
    }
}

/// What the ledger says of the message is what the model says.
async fn compare(ledger: &dyn Ledger, id: protocol::EventId, state: &State) {
    let record = ledger.look_up(id).await.unwrap();
    let overdue = ledger.overdue(&backend("b"), second(1000), 10).await.unwrap().readable;
    let of_overdue = overdue.first().map(|overdue| (overdue.open_since.map(ago), overdue.command.is_some()));
    let found = ledger.find(&[id]).await.unwrap().len();
    match (state, record) {
        (State::None, None) => assert_eq!((of_overdue, found), (None, 0)),
        (State::Held { session, life, at, outcome, is_kept }, Some(Record::Released(held))) => {
            assert_eq!((number(&held.session_id), held.life, ago(held.released_at)), (*session, *life, *at));
            assert_eq!(
                (held.outcome, held.outcome_at.map(ago)),
                (outcome.map(|known| known.0), outcome.map(|known| known.1))
            );
            assert_eq!((of_overdue, found), (outcome.is_none().then_some((None, *is_kept)), 1));
        }
        (State::GivenUp { life, at, end }, Some(Record::GivenUp(known))) => {
            assert_eq!(given_up(&known), (*life, *at, *end));
            assert_eq!((of_overdue, found), (None, 0));
        }
        (State::Open { at, holder, .. }, Some(Record::Open)) => {
            let is_uncommanded = holder.is_some_and(|(_, _, is_kept)| is_kept);
            assert_eq!((of_overdue, found), (is_uncommanded.then_some((Some(*at), true)), 0));
        }
        (state, record) => panic!("{state:?} is on record as {record:?}"),
    }
}

fn check(place: &Place, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Opened { ledger, consents, .. } = runtime.block_on(open_all(place));
    runtime.block_on(consents.change(choice(OUT, Choice::Out, 0))).unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&prop::collection::vec(operation(), 1..16), |operations| {
        // One message at a time, so that nothing else is overdue or forgotten.
        place.execute("DELETE FROM ledger_releases");
        let id = message();
        let mut state = State::default();
        for (now, operation) in (1..).zip(&operations) {
            let (next, expected) = state.clone().after(operation, now);
            let answer = runtime.block_on(perform(&*ledger, id, operation, now));
            prop_assert_eq!(answer, expected, "{:?} at {:?}, second {}", operation, state, now);
            runtime.block_on(compare(&*ledger, id, &next));
            state = next;
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn sqlite_does_as_the_model() {
    check(&Place::sqlite(), 200);
}

#[test]
fn postgres_does_as_the_model() {
    check(&Place::postgres(), 100);
}
