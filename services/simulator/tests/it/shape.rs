//! The shape of JSON: which members an object has, in which order, and which of them are null. What else they hold does
//! not count.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Members whose own members are anybody's: names of headers, and what an application launched with.
const OPEN: [&str; 2] = ["headers", "parameters"];

/// A value without its content.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A text, a number or a flag.
    Value,
    Null,
    Array(Vec<Shape>),
    Object(Vec<(String, Shape)>),
    /// An object of which it does not matter what is in it.
    Open,
}

impl Shape {
    pub(crate) fn of(json: &str) -> Self {
        serde_json::from_str(json).unwrap()
    }

    /// What stands in a member.
    pub(crate) fn member(&self, wanted: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == wanted).map(|(_, shape)| shape),
            Self::Value | Self::Null | Self::Array(_) | Self::Open => None,
        }
    }

    /// Without a member, in whatever depth.
    pub(crate) fn without(self, unwanted: &str) -> Self {
        match self {
            Self::Object(members) => {
                let kept = members.into_iter().filter(|(name, _)| name != unwanted);
                Self::Object(kept.map(|(name, shape)| (name, shape.without(unwanted))).collect())
            }
            other @ (Self::Value | Self::Null | Self::Array(_) | Self::Open) => other,
        }
    }

    fn opened(self) -> Self {
        if matches!(self, Self::Object(_)) { Self::Open } else { self }
    }
}

/// As JSON would be with nothing but names.
impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("_"),
            Self::Null => f.write_str("null"),
            Self::Open => f.write_str("{..}"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Object(members) => f.debug_map().entries(members.iter().map(|(name, shape)| (name, shape))).finish(),
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looking)
    }
}

struct Looking;

impl<'de> Visitor<'de> for Looking {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Value)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Value)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Value)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut shapes = Vec::new();
        while let Some(shape) = items.next_element()? {
            shapes.push(shape);
        }
        Ok(Shape::Array(shapes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut shapes = Vec::new();
        while let Some((name, shape)) = members.next_entry::<String, Shape>()? {
            let shape = if OPEN.contains(&name.as_str()) { shape.opened() } else { shape };
            shapes.push((name, shape));
        }
        Ok(Shape::Object(shapes))
    }
}

fn fixtures(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/tropo/fixtures").join(kind)
}

/// A payload as a known client had it, in the shape of its time.
pub(crate) fn fixture(kind: &str, name: &str) -> String {
    let bytes = std::fs::read(fixtures(kind).join(format!("{name}.json"))).unwrap();
    // One of them is ISO-8859-1.
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

/// The names of all fixtures of a kind.
pub(crate) fn fixture_names(kind: &str) -> Vec<String> {
    let entries = std::fs::read_dir(fixtures(kind)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}
