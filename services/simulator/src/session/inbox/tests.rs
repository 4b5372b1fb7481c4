use protocol::MessageText;

use super::*;
use crate::reports::Asked;

fn id(written: &str) -> SessionId {
    written.parse().unwrap()
}

fn leg(them: &str) -> Leg {
    Leg {
        us: "+15555550100".parse().unwrap(),
        them: them.parse().unwrap(),
        network: Network::sms(),
        asked: Asked::default(),
    }
}

fn text(words: &str) -> MessageText {
    words.parse().unwrap()
}

/// A text in a conversation.
fn texting(leg: &Leg, words: &str) -> Delivery {
    Delivery::text(leg.them.clone(), leg.us.clone(), text(words), leg.network.clone())
}

/// The words of the next text of a conversation.
fn taken(inboxes: &Inboxes, id: &SessionId, leg: &Leg) -> Option<MessageText> {
    inboxes.take_text(id, leg).map(|waiting| waiting.delivery.text)
}

fn texted(inboxes: &Inboxes, delivery: &Delivery) -> Texted {
    inboxes.text(delivery, |_| 1)
}

/// Two sessions with the same phone.
fn two() -> (Inboxes, SessionId, SessionId, Leg) {
    let (inboxes, one, two, leg) = (Inboxes::default(), id("one"), id("two"), leg("+15555550177"));
    for session in [&one, &two] {
        inboxes.open(session);
        inboxes.connect(session, &leg, None);
    }
    (inboxes, one, two, leg)
}

#[test]
fn a_text_is_whose_question_was_the_latest() {
    let (inboxes, one, two, leg) = two();
    assert_eq!(texted(&inboxes, &texting(&leg, "1")), Texted::Free);
    inboxes.ask(&one, &leg);
    assert_eq!(texted(&inboxes, &texting(&leg, "2")), Texted::Taken(one.clone()));
    inboxes.ask(&two, &leg);
    assert_eq!(texted(&inboxes, &texting(&leg, "3")), Texted::Taken(two.clone()));
    assert!(inboxes.ask(&one, &leg));
    assert_eq!(texted(&inboxes, &texting(&leg, "4")), Texted::Taken(one.clone()));
    let other = Leg { them: "+15555550178".parse().unwrap(), ..leg.clone() };
    assert_eq!(texted(&inboxes, &texting(&other, "5")), Texted::Free);

    let left: Vec<_> = inboxes.close(&one).into_iter().map(|unread| unread.delivery.text).collect();
    assert_eq!(left, [text("2"), text("4")]);
    assert_eq!(texted(&inboxes, &texting(&leg, "6")), Texted::Taken(two.clone()));
    assert_eq!((inboxes.close(&two).len(), inboxes.close(&two).len()), (2, 0));
    assert_eq!(texted(&inboxes, &texting(&leg, "7")), Texted::Free);
    let registry = inboxes.lock();
    assert_eq!((registry.text_bytes, registry.askers.len(), registry.sessions.len()), (0, 0, 0));
}

#[test]
fn whose_question_is_open_goes_before_who_asked_later() {
    let (inboxes, one, two, leg) = two();
    assert!(!inboxes.ask(&one, &leg));
    assert!(!inboxes.ask(&two, &leg));
    assert_eq!(texted(&inboxes, &texting(&leg, "1")), Texted::Taken(two.clone()));
    // Two has its answer; one listens still, until its time is over.
    assert_eq!(texted(&inboxes, &texting(&leg, "2")), Texted::Taken(one.clone()));
    assert_eq!(texted(&inboxes, &texting(&leg, "3")), Texted::Taken(two.clone()));
    assert!(inboxes.take_text(&one, &leg).is_some());
    inboxes.ask(&one, &leg);
    inboxes.ask(&two, &leg);
    inboxes.rest(&one);
    assert_eq!(texted(&inboxes, &texting(&leg, "4")), Texted::Taken(two));
}

#[test]
fn who_inherits_texts_has_what_comes_after_them() {
    let (inboxes, one, two, leg) = two();
    inboxes.ask(&one, &leg);
    texted(&inboxes, &texting(&leg, "1"));
    let unread = inboxes.close(&one);
    assert_eq!(texted(&inboxes, &texting(&leg, "2")), Texted::Free);
    inboxes.inherit(&two, &leg, unread);
    assert_eq!(texted(&inboxes, &texting(&leg, "3")), Texted::Taken(two.clone()));
    assert!(inboxes.ask(&two, &leg));
    assert_eq!(taken(&inboxes, &two, &leg), Some(text("1")));
    assert_eq!(taken(&inboxes, &two, &leg), Some(text("3")));
    assert_eq!(inboxes.lock().text_bytes, 0);
}

#[test]
fn texts_are_read_in_order_and_by_conversation() {
    let (inboxes, one, _, leg) = two();
    let other = Leg { them: "+15555550178".parse().unwrap(), ..leg.clone() };
    inboxes.connect(&one, &leg, Some(&texting(&leg, "first")));
    inboxes.ask(&one, &leg);
    texted(&inboxes, &texting(&leg, "second"));
    inboxes.connect(&one, &other, None);
    assert_eq!(taken(&inboxes, &one, &other), None);
    assert_eq!(taken(&inboxes, &one, &leg), Some(text("first")));
    assert_eq!(taken(&inboxes, &one, &leg), Some(text("second")));
    assert_eq!(taken(&inboxes, &one, &leg), None);
    assert_eq!(inboxes.lock().text_bytes, 0);
}

#[test]
fn the_text_that_a_session_began_with_begins_no_other() {
    let (inboxes, one, _, leg) = two();
    inboxes.connect(&one, &leg, Some(&texting(&leg, "first")));
    assert!(inboxes.close(&one).is_empty());
    assert_eq!(inboxes.lock().text_bytes, 0);
}

#[test]
fn signals_wait_in_order_and_those_that_are_not_allowed_are_dropped() {
    let (inboxes, one, _, _) = two();
    for signal in ["a", "b", "c"] {
        assert_eq!(inboxes.signal(&one, signal), SignalStatus::Queued);
    }
    assert_eq!(inboxes.take_signal(&one, |signal| signal == "b").as_deref(), Some("b"));
    assert_eq!(inboxes.take_signal(&one, |_| true).as_deref(), Some("c"));
    assert_eq!(inboxes.take_signal(&one, |_| true), None);
    assert_eq!(inboxes.signal(&id("three"), "a"), SignalStatus::NotFound);
    assert_eq!(inboxes.signal(&one, &"a".repeat(SIGNAL_BYTES_MAX + 1)), SignalStatus::Failed);
    for _ in 0..SIGNALS_MAX {
        inboxes.signal(&one, "a");
    }
    assert_eq!(inboxes.signal(&one, "a"), SignalStatus::Failed);
}

#[test]
fn what_waits_is_bounded() {
    let (inboxes, one, _, leg) = two();
    inboxes.ask(&one, &leg);
    for _ in 0..TEXTS_MAX {
        assert_eq!(texted(&inboxes, &texting(&leg, "x")), Texted::Taken(one.clone()));
    }
    assert_eq!(texted(&inboxes, &texting(&leg, "x")), Texted::Full);
    assert!(inboxes.take_text(&one, &leg).is_some());
    // Texts without words take memory, too.
    inboxes.lock().text_bytes = TEXT_BYTES_MAX - TEXT_COST + 1;
    assert_eq!(texted(&inboxes, &texting(&leg, "")), Texted::NoMemory);
    inboxes.lock().text_bytes = TEXT_BYTES_MAX - TEXT_COST;
    assert_eq!(texted(&inboxes, &texting(&leg, "")), Texted::Taken(one));
}

#[test]
fn who_hung_up_has_no_part_in_the_conversation_any_more() {
    let (inboxes, one, two, leg) = two();
    inboxes.ask(&one, &leg);
    inboxes.ask(&two, &leg);
    assert!(inboxes.hang_up(&two) && inboxes.has_hung_up(&two) && !inboxes.has_hung_up(&one));
    inboxes.ask(&two, &leg);
    assert_eq!(texted(&inboxes, &texting(&leg, "x")), Texted::Taken(one.clone()));
    let jabber = "JABBER".parse().unwrap();
    assert!(inboxes.hang_up_on(&leg.us, &leg.them, Some(&jabber)).is_empty());
    assert_eq!(inboxes.hang_up_on(&leg.us, &leg.them, None), std::slice::from_ref(&one));
    assert!(inboxes.hang_up_on(&leg.us, &leg.them, None).is_empty());
    assert_eq!(texted(&inboxes, &texting(&leg, "x")), Texted::Free);
    assert_eq!(inboxes.close(&one).len(), 1);
    assert!(!inboxes.hang_up(&one));
}

#[test]
fn debug_shows_nobody() {
    let (inboxes, one, _, leg) = two();
    inboxes.connect(&one, &leg, Some(&texting(&leg, "elephant")));
    let shown = format!("{inboxes:?}");
    assert!(!shown.contains("elephant") && !shown.contains("555"), "{shown}");
}
