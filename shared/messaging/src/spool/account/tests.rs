use bytes::Bytes;

use super::*;
use crate::{Destination, Properties};

const WINDOW: usize = 10;
const AGE_MAX: Duration = Duration::from_secs(60);

fn message(body: usize) -> Message {
    let destination = Destination::Topic { routing_key: "a.b".to_owned() };
    Message { destination, properties: Properties::default(), body: Bytes::from(vec![0; body]) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn messages_go_direct_only_while_nothing_is_in_the_spool() {
    let mut account = Account::new(10_000, AGE_MAX, 0, 0);
    assert_eq!((account.way(true), account.way(false)), (Way::Direct, Way::Spool));
    let entered = account.enter(&message(1), at(0), Instant::now());
    assert_eq!(entered, Ok(Entered { is_first: true, ended_switch: false }));
    assert_eq!((account.way(true), account.way(false)), (Way::Spool, Way::Spool));
    account.switch_over(WINDOW, Instant::now());
    assert_eq!(account.way(true), Way::Held);
    assert!(account.passed(1, None));
    assert_eq!((account.way(true), account.bytes()), (Way::Direct, 0));
}

#[test]
fn a_switch_over_that_fails_is_not_tried_again_at_once() {
    let mut account = Account::new(10_000, AGE_MAX, 2, 0);
    let now = Instant::now();
    account.switch_over(WINDOW, now);
    assert_eq!(account.way(true), Way::Held);
    assert_eq!(account.enter(&message(1), at(0), now), Ok(Entered { is_first: false, ended_switch: true }));
    account.switch_over(WINDOW, now);
    assert_eq!(account.way(true), Way::Spool);
    account.switch_over(WINDOW, now + SWITCH_PAUSE);
    assert_eq!(account.way(true), Way::Held);
}

#[test]
fn with_much_left_there_is_no_switch_over() {
    let mut account = Account::new(10_000_000, AGE_MAX, WINDOW as u64 + 1, 0);
    account.switch_over(WINDOW, Instant::now());
    assert_eq!(account.way(true), Way::Spool);
    assert!(!account.passed(0, None));
    account.switch_over(WINDOW, Instant::now());
    assert_eq!(account.way(true), Way::Held);
}

#[test]
fn what_is_full_takes_more_as_soon_as_something_has_left() {
    let mut account = Account::new(2 * size(100), AGE_MAX, 1, 100);
    assert!(account.enter(&message(100), at(0), Instant::now()).is_ok());
    let full = Refusal::Full { bytes: 2 * size(100), bytes_max: 2 * size(100) };
    assert_eq!(account.enter(&message(100), at(0), Instant::now()), Err(full));
    account.leave(100);
    assert!(account.enter(&message(100), at(0), Instant::now()).is_ok());
}

#[test]
fn while_the_oldest_is_too_old_nothing_is_taken() {
    let mut account = Account::new(10_000, AGE_MAX, 2, 0);
    account.begins_with(Some(at(1000)));
    assert_eq!(account.refusal(at(1060)), None);
    assert_eq!(account.refusal(at(900)), None, "a clock that was set back refuses nothing");
    let old = Refusal::Old { age: Duration::from_secs(61), age_max: AGE_MAX };
    assert_eq!(account.enter(&message(1), at(1061), Instant::now()), Err(old));
    account.passed(0, Some(at(1030)));
    assert_eq!(account.refusal(at(1061)), None);
    account.passed(0, None);
    assert_eq!(account.age(at(1061)), None);
}
