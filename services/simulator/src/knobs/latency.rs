//! How long something takes: always the same, or as chance has it.

use std::time::Duration;

use chassis::config::duration;
use serde::{Deserialize, Serialize};

use super::dice::Dice;

/// How many standard deviations a logarithm may lie from its mean, so that nothing takes for ever. Of 16,000 draws one
/// would lie farther.
const DEVIATIONS_MAX: f64 = 4.0;

/// The deviation below which 99 of 100 draws of a standard normal distribution lie.
const P99_DEVIATION: f64 = 2.326_347_874;

/// How long something takes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Latency {
    /// Always the same: `"20ms"`.
    Fixed(Duration),
    /// Anything between two, evenly: `{"min": "10ms", "max": "2s"}`.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Mostly about the median, and now and then much longer, as networks are: `{"median": "80ms", "p99": "3s"}`. The
    /// logarithm is normally distributed.
    LogNormal {
        /// Half of them are shorter.
        median: Duration,
        /// One of a hundred is longer.
        p99: Duration,
    },
}

/// Why something cannot take so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The shortest is longer than the longest.
    #[error("min must not be longer than max")]
    Uniform,
    /// A logarithm needs a median above nothing, and the hundredth is not shorter than half.
    #[error("median must be longer than 0s, and not longer than p99")]
    LogNormal,
}

/// As it stands in configuration.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "not a latency: write it as \"20ms\", {min, max} or {median, p99}")]
enum Written {
    Fixed(#[serde(with = "duration")] Duration),
    Uniform(Uniform),
    LogNormal(LogNormal),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uniform {
    #[serde(with = "duration")]
    min: Duration,
    #[serde(with = "duration")]
    max: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogNormal {
    #[serde(with = "duration")]
    median: Duration,
    #[serde(with = "duration")]
    p99: Duration,
}

impl Latency {
    /// No time at all.
    pub const ZERO: Self = Self::Fixed(Duration::ZERO);

    /// How long it takes this time. What is fixed takes no throw of the dice.
    pub(super) fn draw(self, dice: &mut Dice) -> Duration {
        match self {
            Self::Fixed(duration) => duration,
            Self::Uniform { min, max } => min + max.saturating_sub(min).mul_f64(dice.unit()),
            Self::LogNormal { median, p99 } => {
                let deviation = dice.normal().clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX) / P99_DEVIATION;
                let factor = (p99.as_secs_f64() / median.as_secs_f64()).powf(deviation);
                // Too long for a duration is as long as one can be.
                Duration::try_from_secs_f64(median.as_secs_f64() * factor).unwrap_or(Duration::MAX)
            }
        }
    }
}

impl TryFrom<Written> for Latency {
    type Error = LatencyError;

    fn try_from(written: Written) -> Result<Self, LatencyError> {
        match written {
            Written::Fixed(duration) => Ok(Self::Fixed(duration)),
            Written::Uniform(Uniform { min, max }) if min <= max => Ok(Self::Uniform { min, max }),
            Written::Uniform(_) => Err(LatencyError::Uniform),
            Written::LogNormal(LogNormal { median, p99 }) if !median.is_zero() && median <= p99 => {
                Ok(Self::LogNormal { median, p99 })
            }
            Written::LogNormal(_) => Err(LatencyError::LogNormal),
        }
    }
}

impl From<Latency> for Written {
    fn from(latency: Latency) -> Self {
        match latency {
            Latency::Fixed(duration) => Self::Fixed(duration),
            Latency::Uniform { min, max } => Self::Uniform(Uniform { min, max }),
            Latency::LogNormal { median, p99 } => Self::LogNormal(LogNormal { median, p99 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(written: &str) -> Result<Latency, serde_json::Error> {
        serde_json::from_str(written)
    }

    #[test]
    fn each_form_reads_back_and_nonsense_is_refused() {
        for written in [r#""20ms""#, r#"{"min":"10ms","max":"2s"}"#, r#"{"median":"80ms","p99":"3s"}"#] {
            assert_eq!(serde_json::to_string(&latency(written).unwrap()).unwrap(), written);
        }
        for (wrong, word) in [
            ("20", "write it as"),
            (r#""fast""#, "write it as"),
            (r#"{"min":"1s"}"#, "write it as"),
            (r#"{"min":"1s","p99":"2s"}"#, "write it as"),
            (r#"{"min":"2s","max":"1s"}"#, "longer than max"),
            (r#"{"median":"0s","p99":"1s"}"#, "longer than 0s"),
            (r#"{"median":"2s","p99":"1s"}"#, "longer than p99"),
        ] {
            let error = latency(wrong).unwrap_err().to_string();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_uniform_latency_lies_between_its_ends_and_uses_all_of_it() {
        let mut dice = Dice::new(1);
        let uniform = latency(r#"{"min":"100ms","max":"200ms"}"#).unwrap();
        let mut drawn: Vec<_> = (0..1000).map(|_| uniform.draw(&mut dice).as_millis()).collect();
        drawn.sort_unstable();
        assert!((100..110).contains(&drawn[0]) && (190..=200).contains(&drawn[999]), "{drawn:?}");
        assert!((140..160).contains(&drawn[500]), "{}", drawn[500]);
    }

    #[test]
    fn a_log_normal_latency_has_its_median_and_its_tail() {
        let mut dice = Dice::new(1);
        let spread = latency(r#"{"median":"80ms","p99":"3s"}"#).unwrap();
        let mut drawn: Vec<_> = (0..10_000).map(|_| spread.draw(&mut dice).as_millis()).collect();
        drawn.sort_unstable();
        assert!((70..90).contains(&drawn[5000]), "{}", drawn[5000]);
        assert!((2000..4500).contains(&drawn[9900]), "{}", drawn[9900]);
        // Four deviations: 80 ms * (3 s / 80 ms) ^ (4 / 2.326).
        assert!(drawn[9999] < 41_000, "{}", drawn[9999]);
    }

    #[test]
    fn what_is_fixed_leaves_the_dice_alone() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        assert_eq!(Latency::Fixed(Duration::from_secs(1)).draw(&mut one), Duration::from_secs(1));
        assert!((one.unit() - other.unit()).abs() < f64::EPSILON);
    }
}
