//! Who a message comes from or goes to.

use std::fmt;
use std::str::FromStr;

use crate::{Network, serde_as_string};

/// The longest address that is accepted, in bytes.
const BYTES_MAX: usize = 256;

/// A party of a conversation, in one canonical form however it was written on the wire.
///
/// Tropo writes an SMS party as digits with the country code and no `+`, takes numbers with `+`, dashes, dots and
/// spaces, delivers short codes as they are, names IM and SIP users by their name, and says `unknown` for a
/// withheld sender (Tropo WebAPI: `from` and `to` of a session, destination strings of `message`).
///
/// The string form ([`Address::as_str`], serde) is canonical and reads back as the same value. There is no
/// `Display`: an address is a person, so showing one is always a deliberate call of `as_str`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A telephone number.
    Phone(PhoneNumber),
    /// A short code of 3 to 7 digits.
    ShortCode(ShortCode),
    /// An IM, SIP or alphanumeric name.
    Name(Name),
    /// The sender withheld the number: nobody can be answered.
    Withheld,
}

/// A telephone number in E.164 form: `+`, then 8 to 15 digits, the first not 0.
///
/// Holding one is proof that it was checked; nothing downstream checks again.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(String);

/// A short code: 3 to 7 digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortCode(String);

/// A name that is neither a number nor a short code. Made only by parsing an [`Address`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a string is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was written.
    #[error("address is empty")]
    Empty,
    /// Longer than any address.
    #[error("address is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// It holds control characters.
    #[error("address holds a control character")]
    Control,
    /// It is not a telephone number in international form.
    #[error("not a telephone number: write it with its country code, as in +1-555-555-0100")]
    NotAPhoneNumber,
}

impl Address {
    /// Reads an address as Tropo writes it in `from.id` or `to.id` of a text session, or as a person writes it.
    ///
    /// Total over everything short and printable: what is neither a number, a short code nor a word for "withheld"
    /// is a name, so that no inbound text is refused for its sender.
    ///
    /// # Errors
    /// [`AddressError::Empty`], [`AddressError::TooLong`] or [`AddressError::Control`].
    pub fn parse(written: &str) -> Result<Self, AddressError> {
        let written = without_scheme(written);
        if written.is_empty() {
            return Err(AddressError::Empty);
        }
        if BYTES_MAX < written.len() {
            return Err(AddressError::TooLong);
        }
        if written.chars().any(char::is_control) {
            return Err(AddressError::Control);
        }
        if is_withheld(written) {
            return Ok(Self::Withheld);
        }
        if let Ok(number) = PhoneNumber::parse(written) {
            return Ok(Self::Phone(number));
        }
        if (3..=7).contains(&written.len()) && written.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::ShortCode(ShortCode(written.to_owned())));
        }
        Ok(Self::Name(Name(written.to_owned())))
    }

    /// The canonical form: `+15555550100`, `12345`, `alice@example.net` or `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(number) => &number.0,
            Self::ShortCode(code) => &code.0,
            Self::Name(name) => &name.0,
            Self::Withheld => "unknown",
        }
    }

    /// Whether it is a number or a short code, which a message on the telephone network can come from.
    #[must_use]
    pub fn is_dialable(&self) -> bool {
        match self {
            Self::Phone(_) | Self::ShortCode(_) => true,
            Self::Name(_) | Self::Withheld => false,
        }
    }

    /// Whether a message can be sent to it.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        match self {
            Self::Phone(_) | Self::ShortCode(_) | Self::Name(_) => true,
            Self::Withheld => false,
        }
    }

    /// Whether a message on that network can be sent to it. On the telephone network a name is nobody, or a number that
    /// was written too oddly to be read, and then nobody could tell whose it is.
    #[must_use]
    pub fn is_reachable_on(&self, network: &Network) -> bool {
        if network.is_telephone() { self.is_dialable() } else { self.is_reachable() }
    }
}

impl PhoneNumber {
    /// Reads a number in international form: digits with the country code, with or without `+`, `00` or `tel:`,
    /// with spaces, dots, dashes, slashes and brackets anywhere.
    ///
    /// # Errors
    /// [`AddressError::NotAPhoneNumber`] when fewer than 8 or more than 15 digits are left, when the first is 0 (a
    /// national number), or when anything else stands among them.
    pub fn parse(written: &str) -> Result<Self, AddressError> {
        let compact: String = without_scheme(written)
            .chars()
            .filter(|c| !matches!(c, ' ' | '\u{a0}' | '.' | '-' | '(' | ')' | '/'))
            .collect();
        let digits = match compact.strip_prefix('+') {
            Some(digits) => digits,
            None => compact.strip_prefix("00").unwrap_or(&compact),
        };
        let international = (8..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if international { Ok(Self(format!("+{digits}"))) } else { Err(AddressError::NotAPhoneNumber) }
    }

    /// The number with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits without `+`, as Tropo writes an SMS party.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

/// Without surrounding blanks and the `tel:` scheme.
fn without_scheme(written: &str) -> &str {
    let mut rest = written.trim();
    while let Some(scheme) = rest.get(..4)
        && scheme.eq_ignore_ascii_case("tel:")
    {
        rest = rest.get(4..).unwrap_or_default().trim();
    }
    rest
}

fn is_withheld(written: &str) -> bool {
    ["unknown", "anonymous", "withheld", "private", "unavailable", "restricted"]
        .iter()
        .any(|word| written.eq_ignore_ascii_case(word))
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(written: &str) -> Result<Self, AddressError> {
        Self::parse(written)
    }
}

impl FromStr for PhoneNumber {
    type Err = AddressError;

    fn from_str(written: &str) -> Result<Self, AddressError> {
        Self::parse(written)
    }
}

impl From<PhoneNumber> for Address {
    fn from(number: PhoneNumber) -> Self {
        Self::Phone(number)
    }
}

/// Shows the kind and the last two digits: a number in a log is a person in a log.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(number) => number.fmt(f),
            Self::ShortCode(_) => f.write_str("ShortCode(..)"),
            Self::Name(name) => name.fmt(f),
            Self::Withheld => f.write_str("Withheld"),
        }
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default();
        write!(f, "PhoneNumber(..{shown})")
    }
}

impl fmt::Debug for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShortCode(..)")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}

serde_as_string!(Address, {
    "description": "A telephone number as in +15555550100, a short code, a name, or unknown: at most 256 bytes of UTF-8.",
    "minLength": 1,
    "maxLength": BYTES_MAX,
    "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
    "not": { "pattern": "^(\\s|[Tt][Ee][Ll]:)*$" },
});
serde_as_string!(PhoneNumber, {
    "minLength": 9,
    "maxLength": 16,
    "pattern": "^[+][1-9][0-9]{7,14}$",
});

#[cfg(test)]
mod tests;
