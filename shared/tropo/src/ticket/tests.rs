use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fixtures::any_text;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn key(id: &str) -> Key {
    Key::new(id, &[SECRET, id.as_bytes()].concat()).unwrap()
}

fn ring(ids: &[&str]) -> Keyring {
    Keyring::new(ids.iter().map(|id| key(id)).collect()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn ticket() -> Ticket {
    Ticket {
        message_id: "6f08c07b-eb3b-5be3-9044-89bbde80e4f3".parse().unwrap(),
        backend: "my-tropo-backend".parse().unwrap(),
        attempt: 1,
        correlation_id: Some("9f0c4be1a27d4d7f8a53e6b1c0d92e44".parse().unwrap()),
        to: "+15555550177".parse().unwrap(),
        from: Some("+15555550100".parse().unwrap()),
        text: "Your code is 4711".parse().unwrap(),
        network: Network::sms(),
        trace: TraceContext::from_headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        worth_until: None,
        expires_at: at(1_000),
    }
}

fn receipt(handler: ResultHandler) -> Receipt {
    let Ticket { message_id, backend, correlation_id, trace, expires_at, .. } = ticket();
    Receipt { message_id, backend, correlation_id, handler, trace, expires_at }
}

#[test]
fn what_was_sealed_opens_until_it_expires() {
    let sealed = ring(&["k1"]).seal(&ticket());
    assert_eq!(ring(&["k1"]).open(&sealed, at(999)), Ok(ticket()));
    assert_eq!(ring(&["k1"]).open::<Ticket>(&sealed, at(1_000)), Err(TicketError::Expired));
    for handler in ResultHandler::ALL {
        let sealed = ring(&["k1"]).seal(&receipt(handler));
        assert_eq!(ring(&["k1"]).open(&sealed, at(0)), Ok(receipt(handler)));
    }
}

#[test]
fn keys_are_exchanged_one_at_a_time() {
    let sealed = ring(&["old"]).seal(&ticket());
    assert_eq!(ring(&["new", "old"]).open(&sealed, at(0)), Ok(ticket()));
    assert!(ring(&["new", "old"]).seal(&ticket()).starts_with("new."));
    assert_eq!(ring(&["new"]).open::<Ticket>(&sealed, at(0)), Err(TicketError::UnknownKey));
}

#[test]
fn a_receipt_never_passes_as_a_ticket_nor_one_key_as_another() {
    /// Says the same as a ticket, for another purpose.
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Alike(Ticket);
    impl Sealed for Alike {
        const PURPOSE: &'static str = Receipt::PURPOSE;
        fn expires_at(&self) -> Timestamp {
            self.0.expires_at
        }
    }
    let keys = ring(&["k1", "k2"]);
    assert_eq!(keys.open::<Ticket>(&keys.seal(&Alike(ticket())), at(0)), Err(TicketError::Forged));
    assert_eq!(keys.open::<Alike>(&keys.seal(&Alike(ticket())), at(0)), Ok(Alike(ticket())));
    assert_eq!(keys.open::<Receipt>(&keys.seal(&ticket()), at(0)), Err(TicketError::Forged));
    let other_key = keys.seal(&ticket()).replacen("k1", "k2", 1);
    assert_eq!(keys.open::<Ticket>(&other_key, at(0)), Err(TicketError::Forged));
    let other_secret = Keyring::new(vec![Key::new("k1", &[7; 32]).unwrap()]).unwrap();
    assert_eq!(other_secret.open::<Ticket>(&keys.seal(&ticket()), at(0)), Err(TicketError::Forged));
}

#[test]
fn what_is_not_of_the_form_is_malformed() {
    let keys = ring(&["k1"]);
    let sealed = keys.seal(&ticket());
    for wrong in ["", "k1", "k1.", "k1..", ".", "k1.e30.!!", &format!("{sealed}."), &format!("{sealed}="), "é.é.é"] {
        let error = keys.open::<Ticket>(wrong, at(0)).unwrap_err();
        assert!(matches!(error, TicketError::Malformed | TicketError::Forged | TicketError::UnknownKey), "{wrong}");
    }
    assert_eq!(keys.open::<Ticket>("k1.e30", at(0)), Err(TicketError::Malformed));
    assert_eq!(keys.open::<Ticket>("k1.e30.", at(0)), Err(TicketError::Forged));
}

#[test]
fn a_signature_stays_what_it_is_from_version_to_version() {
    // Golden: another format would void every ticket on its way during an upgrade.
    let sealed = ring(&["k1"]).seal(&receipt(ResultHandler::Continue));
    assert_eq!(
        sealed,
        concat!(
            "k1.",
            "eyJtIjoiNmYwOGMwN2ItZWIzYi01YmUzLTkwNDQtODliYmRlODBlNGYzIiwiYiI6Im15LXRyb3BvLWJhY2tlbmQiLCJjIjoiOWYw",
            "YzRiZTFhMjdkNGQ3ZjhhNTNlNmIxYzBkOTJlNDQiLCJoIjoiY29udGludWUiLCJyIjp7InRyYWNlcGFyZW50IjoiMDAtMGFmNzY1",
            "MTkxNmNkNDNkZDg0NDhlYjIxMWM4MDMxOWMtYjdhZDZiNzE2OTIwMzMzMS0wMSJ9LCJlIjoiMTk3MC0wMS0wMVQwMDoxNjo0MFoifQ",
            ".pqi0yrglM8lA8bA_GxsjtG01BiGc8ZrvM5A4jNS5P_Y"
        )
    );
}

#[test]
fn bad_keys_are_refused() {
    for id in ["", "a.b", "a b", "é", &"a".repeat(33)] {
        assert_eq!(Key::new(id, SECRET).unwrap_err(), KeyringError::KeyId, "{id}");
    }
    assert_eq!(Key::new("k1", &SECRET[1..]).unwrap_err(), KeyringError::WeakSecret);
    assert_eq!(Keyring::new(vec![]).unwrap_err(), KeyringError::NoKeys);
    assert_eq!(Keyring::new(vec![key("a"), key("b"), key("a")]).unwrap_err(), KeyringError::SameId);
}

#[test]
fn debug_shows_no_secret_and_nobody() {
    let shown = format!("{:?} {:?}", ring(&["k1", "k2"]), ticket());
    assert!(shown.contains("k2"));
    for secret in ["0123456789abcdef", "48, 49", "555555", "4711"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn no_single_changed_byte_opens() {
    let keys = ring(&["k1", "k2"]);
    let sealed = keys.seal(&ticket());
    for at_byte in 0..sealed.len() {
        for other in (b' '..=b'~').filter(|byte| *byte != sealed.as_bytes()[at_byte]) {
            let mut changed = sealed.clone().into_bytes();
            changed[at_byte] = other;
            let changed = String::from_utf8(changed).unwrap();
            assert!(keys.open::<Ticket>(&changed, at(0)).is_err(), "byte {at_byte} as {}", char::from(other));
        }
    }
}

proptest! {
    #[test]
    fn every_ticket_survives_its_way_through_tropo(
        text in any_text(), to in "[1-9][0-9]{7,14}", attempt in any::<u32>(), nanoseconds in 1..i64::MAX, from in any::<bool>()
    ) {
        let expires_at = Timestamp::UNIX_EPOCH + Duration::from_nanos(nanoseconds.unsigned_abs());
        let ticket = Ticket {
            text: text.parse().unwrap(),
            to: to.parse().unwrap(),
            attempt,
            expires_at,
            worth_until: from.then_some(expires_at),
            from: from.then(|| "12345".parse().unwrap()),
            ..ticket()
        };
        let sealed = ring(&["k1"]).seal(&ticket);
        // Nothing that a query, a form, XML or JSON would escape.
        prop_assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        prop_assert_eq!(ring(&["k1"]).open(&sealed, at(0)), Ok(ticket));
    }

    #[test]
    fn no_string_makes_it_panic(sealed in "(k1)?\\.?\\PC{0,40}\\.?\\PC{0,40}") {
        prop_assert!(ring(&["k1"]).open::<Ticket>(&sealed, at(0)).is_err());
    }
}
