//! How a released message ended.

use std::fmt;
use std::str::FromStr;

/// How a released message ended, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Tropo took it.
    Sent,
    /// Tropo, or the carrier, said that it will not arrive.
    Failed,
    /// No result came in its time.
    Unconfirmed,
    /// The carrier says that it arrived.
    Delivered,
}

/// A word that is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an outcome")]
pub struct UnknownOutcome;

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Failed, Self::Unconfirmed, Self::Delivered];

    /// The word for it, as stores have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unconfirmed => "unconfirmed",
            Self::Delivered => "delivered",
        }
    }

    /// The outcomes that this one may take the place of: a late result mends a missing one, and a delivery report
    /// knows more than Tropo did. Otherwise the first stands.
    #[must_use]
    pub fn replaces(self) -> &'static [Self] {
        match self {
            Self::Unconfirmed => &[],
            Self::Sent => &[Self::Unconfirmed],
            Self::Failed | Self::Delivered => &[Self::Unconfirmed, Self::Sent],
        }
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(written: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == written).ok_or(UnknownOutcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_reads_back_as_the_outcome() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
        assert_eq!("Sent".parse::<Outcome>(), Err(UnknownOutcome));
    }

    #[test]
    fn no_two_outcomes_take_each_others_place() {
        for one in Outcome::ALL {
            for other in Outcome::ALL {
                assert!(!(one.replaces().contains(&other) && other.replaces().contains(&one)), "{one} {other}");
            }
        }
    }
}
