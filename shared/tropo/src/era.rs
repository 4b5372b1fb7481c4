//! The years whose payloads differ, and how each writes its own.

use serde::{Deserialize, Serialize};

/// A year that Tropo's payloads are known of. Between two of them, they were those of the former or of the latter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Year", into = "u16")]
pub enum Era {
    /// The first whose texts came whole, October; February where headers are an array. No `value` in a result.
    Year2010,
    /// `value` is there.
    Year2011,
    /// As 2011, for texts.
    #[default]
    Year2013,
    /// With `applicationId`, `e164Id`, `calledid`, and MMS.
    Year2017,
}

/// The form of `headers` in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderShape {
    /// An object of names and values.
    #[default]
    Object,
    /// An array of `{"key", "value"}`, one for each time that a name occurs: February 2010.
    Array,
}

/// How payloads are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// The members of this year.
    pub era: Era,
    /// The headers in this form. Where they are an array in 2010, payloads are those of February: no `callId` in a
    /// session of a phone, and `{}` where a result has no actions.
    pub headers: HeaderShape,
}

/// There is no such era.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the eras are 2010, 2011, 2013 and 2017")]
pub struct UnknownEra;

/// As it stands in configuration: a number, or its digits.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the eras are 2010, 2011, 2013 and 2017")]
enum Year {
    Number(u16),
    Text(String),
}

impl Style {
    /// Whether this is February 2010.
    pub(crate) fn is_february(self) -> bool {
        self == Self { era: Era::Year2010, headers: HeaderShape::Array }
    }
}

impl TryFrom<Year> for Era {
    type Error = UnknownEra;

    fn try_from(year: Year) -> Result<Self, UnknownEra> {
        let year = match year {
            Year::Number(year) => Some(year),
            Year::Text(text) => text.trim().parse().ok(),
        };
        match year {
            Some(2010) => Ok(Self::Year2010),
            Some(2011) => Ok(Self::Year2011),
            Some(2013) => Ok(Self::Year2013),
            Some(2017) => Ok(Self::Year2017),
            Some(_) | None => Err(UnknownEra),
        }
    }
}

impl From<Era> for u16 {
    fn from(era: Era) -> Self {
        match era {
            Era::Year2010 => 2010,
            Era::Year2011 => 2011,
            Era::Year2013 => 2013,
            Era::Year2017 => 2017,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_is_written_as_a_number_and_read_as_its_digits_too() {
        for (written, era) in [("2010", Era::Year2010), ("\"2017\"", Era::Year2017), ("2013", Era::default())] {
            assert_eq!(serde_json::from_str::<Era>(written).unwrap(), era);
        }
        assert_eq!(serde_json::to_string(&Era::Year2011).unwrap(), "2011");
        for wrong in ["2012", "\"x\"", "true"] {
            assert!(serde_json::from_str::<Era>(wrong).unwrap_err().to_string().contains("2010, 2011, 2013 and 2017"));
        }
    }
}
