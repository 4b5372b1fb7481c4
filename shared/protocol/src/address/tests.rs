use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(written: &str, expected: &str) {
    assert_eq!(Address::parse(written).as_ref().map(Address::as_str), Ok(expected), "{written:?}");
}

#[test]
fn a_number_has_one_form_however_it_is_written() {
    for written in [
        "15555550100",
        "+15555550100",
        "+1-555-555-0100",
        "+1 (555) 555.0100",
        "tel:+15555550100",
        "TEL: +1 555 555 0100 ",
        "0015555550100",
    ] {
        check(written, "+15555550100");
    }
    check("84912345678", "+84912345678");
}

#[test]
fn short_codes_names_and_withheld_senders_keep_apart() {
    check("12345", "12345");
    check("911", "911");
    check("alice@example.net", "alice@example.net");
    check("sip:alice@example.net", "sip:alice@example.net");
    check("MYBANK", "MYBANK");
    check("12", "12");
    check("Unknown", "unknown");
    check("anonymous", "unknown");
}

#[test]
fn a_national_number_is_a_name_on_the_wire_and_an_error_from_a_person() {
    check("0301234567", "0301234567");
    assert_eq!(PhoneNumber::parse("0301234567"), Err(AddressError::NotAPhoneNumber));
    assert_eq!(PhoneNumber::parse("+1555"), Err(AddressError::NotAPhoneNumber));
    assert_eq!(PhoneNumber::parse("+1234567890123456"), Err(AddressError::NotAPhoneNumber));
    assert_eq!(PhoneNumber::parse("+1555555010x"), Err(AddressError::NotAPhoneNumber));
}

#[test]
fn what_cannot_be_an_address_is_refused() {
    assert_eq!(Address::parse("  "), Err(AddressError::Empty));
    assert_eq!(Address::parse("tel:"), Err(AddressError::Empty));
    assert_eq!(Address::parse("a\u{7}b"), Err(AddressError::Control));
    assert_eq!(Address::parse(&"a".repeat(257)), Err(AddressError::TooLong));
}

#[test]
fn debug_shows_nobody() {
    for written in ["+15555550177", "55501", "alice@example.net"] {
        let shown = format!("{:?}", Address::parse(written).unwrap());
        assert!(!shown.contains("5555550") && !shown.contains("555") && !shown.contains("alice"), "{shown}");
    }
}

proptest! {
    #[test]
    fn the_canonical_form_reads_back_as_itself(written in "\\PC{0,40}") {
        if let Ok(address) = Address::parse(&written) {
            prop_assert_eq!(Address::parse(address.as_str()), Ok(address.clone()));
            let json = serde_json::to_string(&address).unwrap();
            prop_assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
        }
    }

    #[test]
    fn numbers_in_any_spelling_agree(number in "[1-9][0-9]{7,14}", gaps in proptest::collection::vec(0usize..15, 0..4)) {
        let mut spelled = number.clone();
        for gap in gaps {
            if gap < spelled.len() {
                spelled.insert(gap, '-');
            }
        }
        prop_assert_eq!(Address::parse(&spelled), Address::parse(&format!("+{number}")));
    }
}
