//! The name of a backend: one Tropo application, as RapidSMS names it.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// The longest name, in bytes: short enough for every queue name built from it.
const BYTES_MAX: usize = 64;

/// The name of a backend, such as `my-tropo-backend`: 1 to 64 letters, digits, `-` and `_`, beginning with a letter
/// or digit. So it is one word of a routing key and one segment of a path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BackendName(String);

/// Why a string does not name a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("backend name must be 1 to {BYTES_MAX} letters, digits, '-' or '_', beginning with a letter or digit")]
pub struct BackendNameError;

impl BackendName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BackendName {
    type Err = BackendNameError;

    fn from_str(written: &str) -> Result<Self, BackendNameError> {
        let valid = (1..=BYTES_MAX).contains(&written.len())
            && written.starts_with(|first: char| first.is_ascii_alphanumeric())
            && written.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if valid { Ok(Self(written.to_owned())) } else { Err(BackendNameError) }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_string!(BackendName, {
    "minLength": 1,
    "maxLength": BYTES_MAX,
    "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_a_routing_key() {
        for name in ["my-tropo-backend", "Tropo_2", "0"] {
            assert_eq!(name.parse::<BackendName>().unwrap().as_str(), name);
        }
        for wrong in ["", "a.b", "-a", "a b", "a/b", "é", "*", "#", &"a".repeat(65)] {
            assert_eq!(wrong.parse::<BackendName>(), Err(BackendNameError), "{wrong}");
        }
    }
}
