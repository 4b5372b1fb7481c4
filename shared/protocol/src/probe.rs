//! The words of the flow probe: a text of our own that goes the whole way, so that it is known whether texts do.

use std::time::Duration;

use crate::MessageText;

/// How long after it was texted a probe is worth an answer. What lies about for longer is answered with nothing, so an
/// outage is not followed by all that was probed meanwhile.
pub const LIFE: Duration = Duration::from_secs(30);

/// What the words begin with.
const KEYWORD: &str = "probe ";

/// How many digits follow.
const DIGITS: usize = 32;

/// What tells one probe from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce(u128);

impl Nonce {
    /// The nonce of random bits.
    #[must_use]
    pub fn of(bits: u128) -> Self {
        Self(bits)
    }

    /// The words that are texted, and answered with the same.
    #[must_use]
    pub fn words(self) -> MessageText {
        MessageText::of_ascii(format!("{KEYWORD}{:0DIGITS$x}", self.0))
    }

    /// Reads such words; `None`: they are no probe's.
    #[must_use]
    pub fn read(words: &MessageText) -> Option<Self> {
        let digits = words.as_str().trim().strip_prefix(KEYWORD)?;
        let is_written = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(digits, 16).ok().filter(|_| is_written).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_probe_are_read_and_no_others() {
        for bits in [0, 1, u128::MAX] {
            assert_eq!(Nonce::read(&Nonce::of(bits).words()), Some(Nonce::of(bits)));
        }
        assert_eq!(Nonce::of(255).words().as_str(), "probe 000000000000000000000000000000ff");
        for words in ["", "probe", "probe ff", "probe +00000000000000000000000000000ff", "echo probe", "STOP"] {
            assert_eq!(Nonce::read(&words.parse().unwrap()), None, "{words:?}");
        }
    }
}
