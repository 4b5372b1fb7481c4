use std::time::Duration;

use super::*;

fn number(written: &str) -> Address {
    written.parse().unwrap()
}

fn delivery(from: &str, to: &str, text: &str) -> Delivery {
    Delivery::text(number(from), number(to), text.parse().unwrap(), "SMS".parse().unwrap())
}

fn deliver(phones: &Phones, to: &str, text: &str) {
    phones.deliver(delivery("+15555550100", to, text));
}

#[track_caller]
fn check(phones: &Phones, of: &str, after: u64, expected: &[(u64, &str)]) {
    let messages = phones.messages(&number(of), after, 100);
    let found: Vec<_> = messages.iter().map(|message| (message.index, message.text.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_phone_has_its_own_messages_in_order() {
    let phones = Phones::new(10, Changes::default());
    for (to, text) in [("+15555550177", "a"), ("+15555550178", "b"), ("1 555 555 0177", "c")] {
        deliver(&phones, to, text);
    }
    check(&phones, "15555550177", 0, &[(1, "a"), (3, "c")]);
    check(&phones, "15555550177", 1, &[(3, "c")]);
    check(&phones, "15555550178", 0, &[(2, "b")]);
    check(&phones, "15555550179", 0, &[]);
    assert_eq!(phones.messages(&number("15555550177"), 0, 1).len(), 1);
}

#[test]
fn the_oldest_messages_are_forgotten_first() {
    let phones = Phones::new(2, Changes::default());
    for (to, text) in [("+15555550177", "a"), ("+15555550178", "b"), ("+15555550177", "c"), ("+15555550178", "d")] {
        deliver(&phones, to, text);
    }
    check(&phones, "+15555550177", 0, &[(3, "c")]);
    check(&phones, "+15555550178", 0, &[(4, "d")]);
    let shelf = phones.lock();
    assert_eq!((shelf.received.bytes, shelf.received.messages.len()), (2, 2));
    drop(shelf);
    phones.sent(delivery("+15555550177", "+15555550100", "e"));
    let summaries = phones.all();
    let first = summaries.first().unwrap();
    assert_eq!((first.sent, first.received, first.last_index), (1, 2, 3));
}

#[test]
fn what_a_phone_sent_is_in_its_history_and_costs_none_of_what_it_received() {
    let phones = Phones::new(2, Changes::default());
    deliver(&phones, "+15555550177", "a");
    for text in ["b", "c", "d"] {
        phones.sent(delivery("+15555550177", "+15555550100", text));
    }
    deliver(&phones, "+15555550177", "e");
    check(&phones, "+15555550177", 0, &[(1, "a"), (5, "e")]);
    let of = number("+15555550177");
    let shown = |messages: Vec<Arc<PhoneMessage>>| {
        messages.iter().map(|message| (message.index, message.direction)).collect::<Vec<_>>()
    };
    let (received, sent) = (Direction::Received, Direction::Sent);
    let all = [(1, received), (3, sent), (4, sent), (5, received)];
    assert_eq!(shown(phones.history(&of, 0, 10)), all);
    assert_eq!(shown(phones.history(&of, 3, 1)), all[2..3]);
    assert_eq!(shown(phones.latest(&of, 2)), all[2..]);
    // An index that was never given out: the client knew another run of the simulator.
    assert_eq!(shown(phones.history(&of, 6, 10)), all);
}

#[test]
fn a_number_is_a_phone_once_it_is_switched_on() {
    let phones = Phones::new(2, Changes::default());
    let of = number("+15555550177");
    assert!(!phones.knows(&of) && phones.summary(&of).is_none());
    phones.switch_on(&of);
    assert!(phones.knows(&of) && phones.summary(&of).is_some_and(|summary| summary.received == 0));
}

#[test]
fn the_bytes_are_those_of_what_is_kept_when_a_phone_is_forgotten() {
    let phones = Phones::new(100, Changes::default());
    deliver(&phones, "+15555550177", "abc");
    phones.sent(delivery("+15555550177", "+15555550100", "de"));
    let mut shelf = phones.lock();
    for index in 1..PHONES_MAX {
        let number = number(&format!("+1{:010}", 2_000_000_000 + index));
        shelf.phone(&number).sent.count = 1;
        shelf.touch(&number);
    }
    assert_eq!((shelf.received.bytes, shelf.sent.bytes, shelf.phones.len()), (3, 2, PHONES_MAX));
    // It came first, but is used again: another one goes.
    shelf.touch(&number("+15555550177"));
    shelf.touch(&number("+15555550178"));
    assert_eq!((shelf.received.bytes, shelf.sent.bytes, shelf.phones.len()), (3, 2, PHONES_MAX));
    assert!(!shelf.phones.contains_key(&number("+12000000001")));
    // The last to come has had no message, and goes before all others.
    shelf.touch(&number("+15555550179"));
    assert!(!shelf.phones.contains_key(&number("+15555550178")));
    shelf.phone(&number("+15555550179")).sent.count = 1;
    shelf.touch(&number("+15555550179"));
    for index in 2..PHONES_MAX {
        shelf.touch(&number(&format!("+1{:010}", 2_000_000_000 + index)));
    }
    shelf.touch(&number("+15555550178"));
    assert_eq!((shelf.received.bytes, shelf.sent.bytes, shelf.phones.len()), (0, 0, PHONES_MAX));
    assert_eq!(shelf.places.len(), PHONES_MAX);
}

#[tokio::test]
async fn who_waits_is_woken_by_the_message() {
    let phones = Phones::new(10, Changes::default());
    let waited = number("+15555550177");
    let wait = tokio::time::timeout(Duration::from_secs(10), phones.next_messages(&waited, 0, 10));
    let (messages, ()) = tokio::join!(wait, async {
        tokio::task::yield_now().await;
        deliver(&phones, "+15555550178", "not this one");
        tokio::task::yield_now().await;
        deliver(&phones, "+15555550177", "this one");
    });
    assert_eq!(messages.unwrap().first().unwrap().text.as_str(), "this one");
}

#[test]
fn debug_shows_nobody() {
    let phones = Phones::new(10, Changes::default());
    deliver(&phones, "+15555550177", "secret");
    let messages = phones.messages(&number("+15555550177"), 0, 1);
    let shown = format!("{messages:?} {:?} {phones:?}", phones.all());
    assert!(!shown.contains("secret") && !shown.contains("555555"), "{shown}");
}

#[test]
fn what_was_sent_belongs_to_the_session_that_has_it() {
    let phones = Phones::new(10, Changes::default());
    let phone = number("+15555550177");
    let indexes = ["a", "b"].map(|text| phones.sent(delivery(phone.as_str(), "+15555550100", text)));
    phones.reassign(&phone, indexes[1], &"later".parse().unwrap());
    phones.reassign(&phone, 99, &"nobody".parse().unwrap());
    let sessions: Vec<_> = phones.history(&phone, 0, 9).into_iter().map(|message| message.session_id.clone()).collect();
    assert_eq!(sessions, [None, Some("later".parse().unwrap())]);
}
