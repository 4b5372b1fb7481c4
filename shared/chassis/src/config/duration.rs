//! Lengths of time as a person writes them: `5s`, `250ms`, `1h30m`.
//!
//! For a field: `#[serde(with = "chassis::config::duration")]`, or `…::duration::optional` for an `Option`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// The units, the longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `5s`, `250ms`, `1h30m`: whole numbers, each with its unit (`d`, `h`, `m`, `s`, `ms`).
///
/// `None` when it is anything else, or longer than can be counted.
#[must_use]
pub fn parse(written: &str) -> Option<Duration> {
    let mut rest = written.trim();
    let mut total_ms = 0_u64;
    loop {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?)?;
        rest = after;
        if rest.is_empty() {
            return Some(Duration::from_millis(total_ms));
        }
    }
}

/// Writes a duration so that [`parse`] reads it back, to the millisecond.
#[must_use]
pub fn write(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut written = String::new();
    for (name, unit_ms) in UNITS {
        if unit_ms <= rest_ms {
            written.push_str(&format!("{}{name}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    if written.is_empty() { "0s".to_owned() } else { written }
}

/// For serde's `with`.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*duration))
}

/// For serde's `with`.
///
/// # Errors
/// Anything but a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read(&String::deserialize(deserializer)?)
}

fn read<E: de::Error>(written: &str) -> Result<Duration, E> {
    parse(written).ok_or_else(|| E::custom("not a duration: write it as 250ms, 5s, 2m or 1h30m"))
}

/// The same for an optional duration.
pub mod optional {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    /// For serde's `with`.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// For serde's `with`; needs `#[serde(default)]` beside it. Null is none, as it is written.
    ///
    /// # Errors
    /// Anything but a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|written| super::read(&written)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected_ms: Option<u64>) {
        assert_eq!(parse(written), expected_ms.map(Duration::from_millis), "{written:?}");
    }

    #[test]
    fn a_duration_is_numbers_with_units() {
        check("5s", Some(5_000));
        check("250ms", Some(250));
        check("2m", Some(120_000));
        check("1h30m", Some(5_400_000));
        check(" 1d ", Some(86_400_000));
        check("0s", Some(0));
        for wrong in ["", "5", "s", "5 s", "-5s", "1.5s", "5S", "5x", "5s5", "99999999999999999999d", "é"] {
            check(wrong, None);
        }
    }

    #[test]
    fn an_optional_duration_may_be_null() {
        #[derive(Deserialize)]
        struct Settings {
            #[serde(default, with = "optional")]
            wait: Option<Duration>,
        }
        let read = |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.wait);
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("wait = '5s'").unwrap(), Some(Duration::from_secs(5)));
        assert!(read("wait = '5'").unwrap_err().to_string().contains("not a duration"));
        // As JSON has it: what none is written as reads back.
        let null = de::value::UnitDeserializer::<de::value::Error>::new();
        assert_eq!(optional::deserialize(null).unwrap(), None);
    }

    #[test]
    fn what_is_written_reads_back() {
        for ms in [0, 1, 999, 1_000, 61_001, 5_400_000, 90_061_001] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&write(duration)), Some(duration));
        }
    }
}
