use bytes::Bytes;

use super::*;
use crate::{Destination, Properties};

const WINDOW: usize = 10;
const AGE_MAX: Duration = Duration::from_secs(60);

fn message(body: usize) -> Message {
    let destination = Destination::Topic { routing_key: "a.b".to_owned() };
    Message { destination, properties: Properties::default(), body: Bytes::from(vec![0; body]) }
}

fn held(messages: u64, bytes: u64) -> Totals {
    Totals { messages, bytes }
}

/// A moment at which the bus is away.
fn away(second: i64, instant: Instant) -> Moment {
    Moment { now: at(second), instant, bus_is_ready: false }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn messages_go_direct_only_while_nothing_is_in_the_spool() {
    let mut account = Account::new(10_000, AGE_MAX, held(0, 0));
    assert_eq!((account.way(true), account.way(false)), (Way::Direct, Way::Spool));
    let entered = account.enter(&message(1), away(0, Instant::now()));
    assert_eq!(entered, Ok(Entered { is_first: true, ended_switch: false }));
    assert_eq!((account.way(true), account.way(false)), (Way::Spool, Way::Spool));
    account.switch_over(WINDOW, Instant::now());
    assert_eq!(account.way(true), Way::Held);
    assert!(account.passed(1, None, Instant::now()));
    assert_eq!((account.way(true), account.bytes()), (Way::Direct, 0));
}

#[test]
fn a_switch_over_that_fails_is_not_tried_again_at_once() {
    let mut account = Account::new(10_000, AGE_MAX, held(2, 0));
    let now = Instant::now();
    account.switch_over(WINDOW, now);
    assert_eq!(account.way(true), Way::Held);
    assert_eq!(account.enter(&message(1), away(0, now)), Ok(Entered { is_first: false, ended_switch: true }));
    account.switch_over(WINDOW, now);
    assert_eq!(account.way(true), Way::Spool);
    account.switch_over(WINDOW, now + SWITCH_PAUSE);
    assert_eq!(account.way(true), Way::Held);
}

#[test]
fn with_much_left_there_is_no_switch_over() {
    let mut account = Account::new(10_000_000, AGE_MAX, held(WINDOW as u64 + 1, 0));
    account.switch_over(WINDOW, Instant::now());
    assert_eq!(account.way(true), Way::Spool);
    assert!(!account.passed(0, None, Instant::now()));
    account.switch_over(WINDOW, Instant::now());
    assert_eq!(account.way(true), Way::Held);
}

#[test]
fn what_is_full_takes_more_as_soon_as_something_has_left() {
    let mut account = Account::new(2 * size(100), AGE_MAX, held(1, 100));
    assert!(account.enter(&message(100), away(0, Instant::now())).is_ok());
    let full = Refusal::Full { bytes: 2 * size(100), bytes_max: 2 * size(100) };
    assert_eq!(account.enter(&message(100), away(0, Instant::now())), Err(full));
    account.leave(100);
    assert!(account.enter(&message(100), away(0, Instant::now())).is_ok());
}

#[test]
fn while_the_oldest_is_too_old_nothing_is_taken() {
    let mut account = Account::new(10_000, AGE_MAX, held(2, 0));
    account.begins_with(Some(at(1000)));
    assert_eq!(account.refusal(away(1060, Instant::now())), None);
    assert_eq!(account.refusal(away(900, Instant::now())), None, "a clock that was set back refuses nothing");
    let old = Refusal::Old { age: Duration::from_secs(61), age_max: AGE_MAX };
    assert_eq!(account.enter(&message(1), away(1061, Instant::now())), Err(old));
    account.passed(0, Some(at(1030)), Instant::now());
    assert_eq!(account.refusal(away(1061, Instant::now())), None);
    account.passed(0, None, Instant::now());
    assert_eq!(account.age(at(1061)), None);
}

#[test]
fn what_is_old_refuses_nothing_while_the_bus_takes_it() {
    let (mut account, start) = (Account::new(10_000, AGE_MAX, held(3, 0)), Instant::now());
    account.begins_with(Some(at(0)));
    let ready = |instant| Moment { bus_is_ready: true, ..away(1000, instant) };
    assert!(account.refusal(ready(start)).is_some(), "it has confirmed nothing yet");
    assert!(!account.passed(0, Some(at(1)), start));
    assert_eq!(account.refusal(ready(start + PROGRESS_MAX)), None);
    assert!(account.refusal(ready(start + PROGRESS_MAX + Duration::from_secs(1))).is_some(), "it got stuck");
    assert!(account.refusal(away(1000, start)).is_some());
}

#[test]
fn what_is_set_aside_holds_up_nothing_and_counts_for_the_bound() {
    let mut account = Account::new(2 * size(100), Duration::ZERO, held(2, 200));
    account.begins_with(Some(at(0)));
    assert!(!account.set_aside(1, Some(at(1))));
    assert_eq!((account.messages(), account.aside(), account.way(true)), (1, 1, Way::Spool));
    assert!(account.set_aside(1, None));
    assert_eq!((account.messages(), account.aside(), account.way(true)), (0, 2, Way::Direct));
    assert_eq!((account.age(at(1000)), account.bytes()), (None, 2 * size(100)));
    assert!(matches!(account.refusal(away(1000, Instant::now())), Some(Refusal::Full { .. })));
    account.take_back();
    assert_eq!((account.messages(), account.aside(), account.way(true)), (2, 0, Way::Spool));
    assert!(!account.passed(100, None, Instant::now()) && account.passed(100, None, Instant::now()));
    assert_eq!(account.bytes(), 0);
}

#[test]
fn a_bus_that_fails_ends_the_switch_over() {
    let (mut account, now) = (Account::new(10_000, AGE_MAX, held(2, 0)), Instant::now());
    assert!(!account.switch_failed(now));
    account.switch_over(WINDOW, now);
    assert!(account.switch_failed(now));
    assert_eq!(account.way(true), Way::Spool);
    account.switch_over(WINDOW, now);
    assert_eq!(account.way(true), Way::Spool, "it is not tried again at once");
    account.switch_over(WINDOW, now + SWITCH_PAUSE);
    assert_eq!(account.way(true), Way::Held);
}

#[test]
fn what_cannot_be_written_leaves_no_trace() {
    let mut account = Account::new(10_000, AGE_MAX, held(0, 0));
    for _ in 0..2 {
        let entered = account.enter(&message(1), away(0, Instant::now()));
        assert_eq!(entered, Ok(Entered { is_first: true, ended_switch: false }));
        assert!(account.leave(1));
    }
    assert_eq!((account.messages(), account.bytes(), account.way(true)), (0, 0, Way::Direct));
}

#[test]
fn only_so_many_wait_to_be_written() {
    let mut account = Account::new(u64::MAX, AGE_MAX, held(0, 0));
    let now = away(0, Instant::now());
    for _ in 0..UNWRITTEN_MAX {
        account.enter(&message(1), now).unwrap();
    }
    assert_eq!(account.enter(&message(1), now), Err(Refusal::Slow { unwritten: UNWRITTEN_MAX }));
    account.written();
    account.enter(&message(1), now).unwrap();
    account.leave(1);
    account.enter(&message(1), now).unwrap();
}
