//! The people that the configuration names.

use std::fmt;

use protocol::Address;
use serde::Deserialize;

/// Somebody who can be texted: a telephone number with its `+`, or a short code.
///
/// Stricter than [`Address`], which reads a name out of anything, and another number out of one without its country
/// code: a slip of the pen would text somebody else, or nobody.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Recipient(Address);

/// Why a string is no [`Recipient`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a number that can be texted: write it with + and its country code, as in +1-555-555-0100, or a short code"
)]
pub struct RecipientError;

impl Recipient {
    /// As an address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.0
    }
}

impl TryFrom<String> for Recipient {
    type Error = RecipientError;

    fn try_from(written: String) -> Result<Self, RecipientError> {
        let address: Address = written.parse().map_err(|_| RecipientError)?;
        match &address {
            Address::Phone(_) if written.trim_start().starts_with('+') => Ok(Self(address)),
            Address::ShortCode(_) => Ok(Self(address)),
            Address::Phone(_) | Address::Name(_) | Address::Withheld => Err(RecipientError),
        }
    }
}

/// As [`Address`] shows itself.
impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_named_by_a_whole_number() {
        for (written, read) in [
            ("+1-555-555-0188", Some("+15555550188")),
            ("12345", Some("12345")),
            ("555-555-0188", None),
            ("15555550188", None),
            ("+1555555018x", None),
            ("+1-555-555-O188", None),
            ("bob", None),
            ("unknown", None),
            ("", None),
        ] {
            let recipient = Recipient::try_from(written.to_owned());
            assert_eq!(recipient.as_ref().ok().map(|recipient| recipient.address().as_str()), read, "{written}");
        }
    }
}
