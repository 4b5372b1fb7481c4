//! Tropo's session id: also the correlation id of a conversation.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// The longest id, in bytes: an AMQP short string holds 255.
const BYTES_MAX: usize = 128;

/// The id of a Tropo session. Opaque: 32 hexadecimal digits in most years, but short, dashed and `guid@ip` forms
/// were seen as well, and create replies came with a trailing CR LF, which is trimmed.
///
/// The id of the session that carried the inbound text is the AMQP `correlation_id` of the whole conversation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId(String);

/// Why a string is not a session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session id must be 1 to {BYTES_MAX} visible ASCII characters")]
pub struct SessionIdError;

impl SessionId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(written: &str) -> Result<Self, SessionIdError> {
        let id = written.trim();
        let valid = (1..=BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Self(id.to_owned())) } else { Err(SessionIdError) }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_string!(SessionId, {
    "minLength": 1,
    "maxLength": BYTES_MAX,
    "pattern": "^[!-~]+$",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_era_are_taken_and_trimmed() {
        for (written, id) in [
            ("9f0c4be1a27d4d7f8a53e6b1c0d92e44\r\n", "9f0c4be1a27d4d7f8a53e6b1c0d92e44"),
            ("dih06n", "dih06n"),
            ("0-13c4-4b563a2f-8fb4", "0-13c4-4b563a2f-8fb4"),
            ("3FA17C36-CC7E@10.0.0.9", "3FA17C36-CC7E@10.0.0.9"),
        ] {
            assert_eq!(written.parse::<SessionId>().unwrap().as_str(), id);
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for wrong in ["", " ", "a b", "é", "a\nb", &"a".repeat(129)] {
            assert_eq!(wrong.parse::<SessionId>(), Err(SessionIdError), "{wrong:?}");
        }
    }
}
