//! Numbers of bytes as a person writes them: `64KiB`.
//!
//! For a field of type `usize`: `#[serde(with = "chassis::config::size")]`.

use serde::{Deserialize, Deserializer, Serializer, de};

/// The units, the largest first, in bytes.
const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `64KiB`, `1MiB`, `512B`: a whole number and its unit. `None` when it is anything else, or too large.
#[must_use]
pub fn parse(written: &str) -> Option<usize> {
    let written = written.trim();
    let (number, unit) = written.split_at(written.find(|c: char| !c.is_ascii_digit())?);
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<usize>().ok()?.checked_mul(*bytes)
}

/// Writes a number of bytes so that [`parse`] reads it back.
#[must_use]
pub fn write(bytes: usize) -> String {
    let whole = UNITS.iter().find(|(_, unit)| *unit <= bytes && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| "0B".to_owned(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// For serde's `with`.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*bytes))
}

/// For serde's `with`.
///
/// # Errors
/// Anything but a number of bytes with its unit.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let written = String::deserialize(deserializer)?;
    parse(&written).ok_or_else(|| de::Error::custom("not a number of bytes: write it as 512B, 64KiB or 1MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_its_unit() {
        for (written, bytes) in [("64KiB", 65_536), ("1 MiB", 1_048_576), ("512B", 512), ("0B", 0)] {
            assert_eq!(parse(written), Some(bytes), "{written}");
            assert_eq!(parse(&write(bytes)), Some(bytes), "{written}");
        }
        for wrong in ["", "64", "KiB", "64kb", "-1B", "1.5KiB", "99999999999999999999GiB"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
