//! The forms that a value takes on Tropo's wire: one or many, a flag or an object, a number in any spelling.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::member::{Member, Wrong};

/// Members of an object that are not known here, kept as they came.
pub type Extra = serde_json::Map<String, Value>;

/// One value, or an array of them: Tropo takes either, and each client library has its own habit.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// Written by itself.
    One(T),
    /// Written as an array, of any length.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter(),
            Self::Many(many) => many.iter(),
        }
    }

    /// The first: the only one that is texted (Tropo WebAPI: `to` of a `message`).
    pub fn first(&self) -> Option<&T> {
        self.iter().next()
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> From<T> for OneOrMany<T> {
    fn from(one: T) -> Self {
        Self::One(one)
    }
}

impl<'a, T> IntoIterator for &'a OneOrMany<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Shows how many there are: they may name people.
impl<T> fmt::Debug for OneOrMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(_) => f.write_str("One(..)"),
            Self::Many(many) => write!(f, "Many({})", many.len()),
        }
    }
}

impl<T: Member> Member for OneOrMany<T> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Array(items) => items.iter().map(T::read).collect::<Result<_, _>>().map(Self::Many),
            one => T::read(one).map(Self::One),
        }
    }
}

/// A setting that is `true` or `false`, or an object that says more (`machineDetection`, `joinPrompt`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum FlagOr<T> {
    /// On or off.
    Flag(bool),
    /// On, and how.
    With(T),
}

impl<T: Member> Member for FlagOr<T> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Object(_) => T::read(value).map(Self::With),
            flag => bool::read(flag).map(Self::Flag),
        }
    }
}

/// A number however it was written: `30`, `30.0` or `"30"`. Whole ones are written without a fraction.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Number(f64);

impl Number {
    /// The number. Always finite.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

impl From<u32> for Number {
    fn from(whole: u32) -> Self {
        Self(f64::from(whole))
    }
}

impl Member for Number {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).map(Self).ok_or(Wrong::expected("a number"))
    }
}

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Up to 2^53 each whole number is a float of its own.
        if self.0.fract() == 0.0 && self.0.abs() <= 9_007_199_254_740_992.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// Names and their values: SIP headers, session parameters, result properties.
///
/// Reads an object or an array of `{"key", "value"}` (Tropo WebAPI: headers of February 2010), numbers and booleans as
/// their text, nested values as their JSON text; null is absent. A name that occurs again is joined to the first with
/// CR LF, as Tropo does. Writes an object.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// The value of `name`, in any case: clients and carriers differ.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Adds a value, joined with CR LF to one that is there.
    pub fn push(&mut self, name: impl Into<String>, value: &str) {
        let values = self.0.entry(name.into()).or_default();
        if !values.is_empty() {
            values.push_str("\r\n");
        }
        values.push_str(value);
    }

    /// Every name and value, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One pair for each time that a name occurs, as they were written in 2010.
    pub(crate) fn pairs(&self) -> Vec<BTreeMap<&str, &str>> {
        let pairs = self.iter().flat_map(|(name, values)| values.split("\r\n").map(move |value| (name, value)));
        pairs.map(|(name, value)| BTreeMap::from([("key", name), ("value", value)])).collect()
    }
}

impl<N: Into<String>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            headers.push(name, value.as_ref());
        }
        headers
    }
}

/// Shows the names alone: a `From` header holds the number and the text of an SMS.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Member for Headers {
    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn read(value: &Value) -> Result<Self, Wrong> {
        let pair = |item: &Value| Some((text(item.get("key")?)?, text(item.get("value")?)?));
        match value {
            Value::Object(object) => {
                Ok(object.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect())
            }
            Value::Array(items) => Ok(items.iter().filter_map(pair).collect()),
            _ => Err(Wrong::expected("an object")),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Session parameters: read as [`Headers`] are.
impl Member for BTreeMap<String, String> {
    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn read(value: &Value) -> Result<Self, Wrong> {
        Headers::read(value).map(|pairs| pairs.0)
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A value as text: scalars as they stand, nested values as their JSON, null not at all (Tropo WebAPI: parameters of
/// other types come back as quoted strings).
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
