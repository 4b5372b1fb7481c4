use std::time::Duration;

use super::*;

fn number(written: &str) -> Address {
    written.parse().unwrap()
}

fn deliver(phones: &Phones, to: &str, text: &str) {
    let delivery = Delivery {
        from: number("+15555550100"),
        text: text.parse().unwrap(),
        network: Network::sms(),
        session_id: "9f0c4be1".parse().unwrap(),
    };
    phones.deliver(&number(to), delivery);
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
    assert_eq!((shelf.text_bytes, shelf.order.len()), (2, 2));
    drop(shelf);
    phones.texted(&number("+15555550177"));
    let summaries = phones.all();
    let first = summaries.first().unwrap();
    assert_eq!((first.sent, first.received, first.last_index), (1, 2, 3));
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
