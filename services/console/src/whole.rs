//! Whole numbers as JSON may write them: to JSON Schema, and so to whoever reads our description, `60.0` is one, too.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// What cannot be told apart from the next whole number, as a number with a point.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// For serde's `deserialize_with`, of what may be left out.
///
/// # Errors
/// It is none, or not one of this type.
pub(crate) fn optional<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_option(Whole(PhantomData))
}

/// For serde's `deserialize_with`.
///
/// # Errors
/// It is none, or not one of this type.
pub(crate) fn required<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let read = deserializer.deserialize_any(Whole(PhantomData))?;
    read.ok_or_else(|| D::Error::invalid_type(Unexpected::Unit, &"a whole number"))
}

struct Whole<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Whole<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number within its bounds")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(Some)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are looked at before")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if (0.0..EXACT_BELOW).contains(&number) && number.fract() == 0.0 {
            return self.visit_u64(number as u64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Written {
        #[serde(default, deserialize_with = "super::optional")]
        number: Option<NonZeroU32>,
    }

    #[test]
    fn a_whole_number_may_have_a_point_and_nothing_else_is_one() {
        for (written, expected) in [
            ("{}", Ok(None)),
            (r#"{"number":null}"#, Ok(None)),
            (r#"{"number":60}"#, Ok(Some(60))),
            (r#"{"number":60.0}"#, Ok(Some(60))),
            (r#"{"number":6e1}"#, Ok(Some(60))),
            (r#"{"number":60.5}"#, Err(())),
            (r#"{"number":0.0}"#, Err(())),
            (r#"{"number":-1}"#, Err(())),
            (r#"{"number":4294967296.0}"#, Err(())),
            (r#"{"number":1e300}"#, Err(())),
            (r#"{"number":"60"}"#, Err(())),
        ] {
            let read = serde_json::from_str::<Written>(written);
            assert_eq!(read.map(|read| read.number.map(NonZeroU32::get)).map_err(drop), expected, "{written}");
        }
    }
}
