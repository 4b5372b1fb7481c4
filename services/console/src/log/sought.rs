//! What somebody writes into the one box: an id, a number, its last digits, or words.

use protocol::{Address, PhoneNumber, SessionId};
use store::PersonSought;

/// The fewest digits that a number is looked for by.
const DIGITS_MIN: usize = 4;

/// The fewest digits of a number as it is dialled at home.
const NATIONAL_MIN: usize = 8;

/// The fewest characters of an id.
const ID_MIN: usize = 4;

/// What may be meant by what stands in the box: an id first, then a person, then words.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sought {
    /// An id of a text, message or session.
    pub(super) id: Option<SessionId>,
    /// A person.
    pub(super) person: Option<PersonSought>,
    /// Words.
    pub(super) words: Option<String>,
}

impl Sought {
    /// Reads what is not blank.
    pub(super) fn read(written: &str) -> Self {
        let person = person(written);
        // A number in any writing is no id.
        let id = if person.is_none() && is_like_an_id(written) { written.parse().ok() } else { None };
        let words = written.contains(char::is_alphanumeric).then(|| written.to_owned());
        Self { id, person, words }
    }
}

fn person(written: &str) -> Option<PersonSought> {
    if let Ok(number) = PhoneNumber::parse(written) {
        return Some(PersonSought::Is(number.into()));
    }
    let is_punctuation = |c: char| matches!(c, ' ' | '\u{a0}' | '.' | '-' | '(' | ')' | '/' | '+' | '*' | '…' | '•');
    let digits: String = written.chars().filter(|c| !is_punctuation(*c)).collect();
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number as it is dialled at home begins with a 0 that no other country sees.
        let digits = if NATIONAL_MIN <= digits.len() { digits.trim_start_matches('0') } else { &digits };
        return (DIGITS_MIN <= digits.len()).then(|| PersonSought::EndsWith(digits.to_owned()));
    }
    let name = written.contains('@').then(|| written.parse::<Address>().ok()).flatten();
    name.filter(|_| !written.contains(char::is_whitespace)).map(PersonSought::Is)
}

/// Whether it is one word of ASCII with a digit in it, as ids are.
fn is_like_an_id(written: &str) -> bool {
    ID_MIN <= written.len()
        && written.bytes().all(|byte| byte.is_ascii_graphic())
        && written.bytes().any(|byte| byte.is_ascii_digit())
}
