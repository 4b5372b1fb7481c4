//! The exchanges that numbers come from, and the numbers that they have (Tropo WebAPI: provisioning, `exchanges`).

use std::iter;

use protocol::Address;
use serde::Serialize;

/// How many digits a number has with its country code, wherever it is.
const DIGITS: usize = 11;

/// What the numbers of an exchange begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exchange {
    /// Country and area code.
    pub(crate) prefix: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) city: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    pub(crate) country: &'static str,
    pub(crate) description: &'static str,
    pub(crate) sms_enabled: bool,
}

/// Some of everything that Tropo had. Texts go to and from all of them.
pub(crate) const EXCHANGES: [Exchange; 12] = [
    in_city("1206", "Seattle", "WA"),
    in_city("1212", "New York", "NY"),
    in_city("1312", "Chicago", "IL"),
    in_city("1407", "Orlando", "FL"),
    in_city("1415", "San Francisco", "CA"),
    in_city("1512", "Austin", "TX"),
    in_city("1617", "Boston", "MA"),
    in_city("1919", "Raleigh", "NC"),
    elsewhere("1888", "United States", "Toll Free Phone Number", true),
    elsewhere("31", "Netherlands", "International Phone Number", true),
    elsewhere("44", "United Kingdom", "International Phone Number", true),
    elsewhere("47", "Norway", "International Phone Number", true),
];

const fn in_city(prefix: &'static str, city: &'static str, state: &'static str) -> Exchange {
    let (city, state, country) = (Some(city), Some(state), "United States");
    Exchange { prefix, city, state, country, description: "Phone Number w/ SMS", sms_enabled: true }
}

const fn elsewhere(prefix: &'static str, country: &'static str, description: &'static str, sms: bool) -> Exchange {
    Exchange { prefix, city: None, state: None, country, description, sms_enabled: sms }
}

/// The exchange that a number, with or without `+`, belongs to.
pub(crate) fn of(number: &str) -> Option<&'static Exchange> {
    let digits = number.trim_start_matches('+');
    EXCHANGES.iter().find(|exchange| digits.starts_with(exchange.prefix))
}

/// The numbers that begin with a prefix, however it is written, those that are kept for fiction first. A prefix that
/// says less than an exchange means the first one of it; beside the exchanges, every area of North America has numbers.
pub(crate) fn numbers(prefix: &str) -> impl Iterator<Item = Address> {
    let digits: String = prefix.chars().filter(char::is_ascii_digit).collect();
    let exchange = EXCHANGES.iter().find(|exchange| exchange.prefix.starts_with(&digits));
    let begin = match exchange {
        Some(exchange) => Some(exchange.prefix.to_owned()),
        None => {
            Some(digits).filter(|digits| digits.len() <= DIGITS && (of(digits).is_some() || is_north_american(digits)))
        }
    };
    begin.into_iter().flat_map(|begin| {
        let missing = DIGITS - begin.len();
        let (filled, counted) = (missing.saturating_sub(4), missing.min(4));
        let fives = filled.min(3);
        let fill = "2".repeat(filled - fives) + &"5".repeat(fives);
        let count = (0..counted).fold(1_u64, |count, _| count * 10);
        // 555-0100 to 555-0199 are nobody's.
        let fiction = if counted < 3 { 0..0 } else { 100..200 };
        let others = (0..count).filter({
            let fiction = fiction.clone();
            move |number| !fiction.contains(number)
        });
        iter::chain(fiction, others).filter_map(move |number| {
            let number = if counted == 0 { String::new() } else { format!("{number:0counted$}") };
            format!("+{begin}{fill}{number}").parse().ok()
        })
    })
}

/// Whether digits begin with the country code 1 and an area code.
fn is_north_american(digits: &str) -> bool {
    4 <= digits.len() && digits.starts_with('1') && digits.as_bytes().get(1).is_some_and(|digit| b'2' <= *digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, expected: &[&str]) {
        let numbers: Vec<Address> = numbers(prefix).take(2).collect();
        let written: Vec<_> = numbers.iter().map(Address::as_str).collect();
        assert_eq!(written, expected, "{prefix}");
        assert!(numbers.iter().all(Address::is_dialable));
    }

    #[test]
    fn numbers_begin_with_their_prefix() {
        check("1407", &["+14075550100", "+14075550101"]);
        check(" +1 (407)", &["+14075550100", "+14075550101"]);
        check("1303", &["+13035550100", "+13035550101"]);
        check("14072", &["+14072550100", "+14072550101"]);
        check("1407200", &["+14072000100", "+14072000101"]);
        check("1407555123", &["+14075551230", "+14075551231"]);
        check("14075551234", &["+14075551234"]);
        check("1", &["+12065550100", "+12065550101"]);
        check("", &["+12065550100", "+12065550101"]);
        check("31", &["+31225550100", "+31225550101"]);
        check("3120", &["+31205550100", "+31205550101"]);
        for none in ["1107", "99", "140755512345"] {
            check(none, &[]);
        }
    }

    #[test]
    fn every_number_is_given_once() {
        let all: Vec<Address> = numbers("1407").collect();
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (10_000, 10_000));
    }

    #[test]
    fn a_number_knows_its_exchange() {
        assert_eq!(of("+14075550100").unwrap().city, Some("Orlando"));
        assert!(of("4075550100").is_none());
    }
}
