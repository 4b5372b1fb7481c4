//! The network that a message travels on.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// A network as Tropo names it: `SMS`, `MMS`, `JABBER` and the like. Open, because Tropo's list changed with the
/// years; upper case, because clients differ in case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Network(String);

/// Why a string does not name a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("network must be 1 to 16 letters, as in SMS")]
pub struct NetworkError;

impl Network {
    /// Text messages of the telephone network.
    #[must_use]
    pub fn sms() -> Self {
        Self("SMS".to_owned())
    }

    /// Whether it is the telephone network, on which people are known by their numbers: `SMS` or `MMS`.
    #[must_use]
    pub fn is_telephone(&self) -> bool {
        matches!(self.0.as_str(), "SMS" | "MMS")
    }

    /// The name, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(written: &str) -> Result<Self, NetworkError> {
        let valid = (1..=16).contains(&written.len()) && written.bytes().all(|byte| byte.is_ascii_alphabetic());
        if valid { Ok(Self(written.to_ascii_uppercase())) } else { Err(NetworkError) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_string!(Network, {
    "minLength": 1,
    "maxLength": 16,
    "pattern": "^[A-Za-z]+$",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter() {
        assert_eq!("sms".parse::<Network>().unwrap(), Network::sms());
        assert_eq!("".parse::<Network>(), Err(NetworkError));
        assert_eq!("S.S".parse::<Network>(), Err(NetworkError));
    }

    #[test]
    fn people_have_numbers_on_the_telephone_network_alone() {
        let is_telephone = |name: &str| name.parse::<Network>().unwrap().is_telephone();
        assert_eq!(["sms", "MMS", "JABBER", "SMSX"].map(is_telephone), [true, true, false, false]);
    }
}
