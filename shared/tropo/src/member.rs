//! Reading the members of a JSON object leniently: what each may look like, and what is left over.

use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::Value;

use crate::shape::Extra;

/// What stands where something else should: names our own keys alone, never what was written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    path: String,
    expected: &'static str,
}

impl Wrong {
    pub(crate) fn expected(expected: &'static str) -> Self {
        Self { path: String::new(), expected }
    }

    fn within(mut self, key: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        self.path = format!("{key}{separator}{}", self.path);
        self
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, expected } = self;
        if path.is_empty() { write!(f, "must be {expected}") } else { write!(f, "{path} must be {expected}") }
    }
}

/// A value that can be a member of one of Tropo's objects.
pub(crate) trait Member: Sized {
    /// What an absent or null member means; `None` where it may not be absent.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads it in every form that a Tropo client or era writes.
    fn read(value: &Value) -> Result<Self, Wrong>;

    /// Whether it is left out in writing.
    fn is_absent(&self) -> bool {
        false
    }
}

/// The members of one object while it is read. What is not taken, or not readable, is left over.
pub(crate) struct Fields {
    rest: Extra,
    wrong: Option<Wrong>,
}

impl Fields {
    pub(crate) fn of(object: &Extra) -> Self {
        Self { rest: object.clone(), wrong: None }
    }

    /// The member, or what its absence means. `None` when it is missing and may not be. An unreadable one stays
    /// where it was.
    pub(crate) fn take<T: Member>(&mut self, key: &'static str) -> Option<T> {
        let problem = match self.rest.get(key) {
            None | Some(Value::Null) => {
                self.rest.remove(key);
                match T::absent() {
                    Some(absent) => return Some(absent),
                    None => Wrong::expected("present"),
                }
            }
            Some(value) => match T::read(value) {
                Ok(member) => {
                    self.rest.remove(key);
                    return Some(member);
                }
                Err(wrong) => wrong,
            },
        };
        self.wrong.get_or_insert_with(|| problem.within(key));
        T::absent()
    }

    /// What is left over, and the first member that was wrong.
    pub(crate) fn finish(self) -> (Extra, Option<Wrong>) {
        (self.rest, self.wrong)
    }
}

/// An object whose members are declared with [`members!`].
pub(crate) trait Members: Sized {
    /// Reads what can be read: the object unless a needed member is missing, and the first thing that was wrong.
    fn gather(object: &Extra) -> (Option<Self>, Option<Wrong>);
}

/// Reads an object whose members are all optional, whatever is in it: what is unreadable is kept among the extra.
pub(crate) fn tolerant<T: Members>(value: &Value) -> Option<T> {
    value.as_object().and_then(|object| T::gather(object).0)
}

/// Reads an object and insists on each member.
pub(crate) fn strict<T: Members>(value: &Value) -> Result<T, Wrong> {
    match T::gather(&Extra::read(value)?) {
        (_, Some(wrong)) => Err(wrong),
        (Some(whole), None) => Ok(whole),
        (None, None) => Err(Wrong::expected("complete")),
    }
}

/// Null and PHP's `[]` are objects without members.
impl Member for Extra {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Object(object) => Ok(object.clone()),
            Value::Null => Ok(Self::new()),
            Value::Array(items) if items.is_empty() => Ok(Self::new()),
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(Wrong::expected("an object")),
        }
    }
}

/// Writes the members of an object in the order they are named, then the extra.
pub(crate) struct Writer<'a, M> {
    map: M,
    extra: &'a Extra,
}

impl<'a, M: SerializeMap> Writer<'a, M> {
    pub(crate) fn new(map: M, extra: &'a Extra) -> Self {
        Self { map, extra }
    }

    /// Writes a member, null too, unless an unreadable one of that name was kept.
    pub(crate) fn always<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), M::Error> {
        if self.extra.contains_key(key) { Ok(()) } else { self.map.serialize_entry(key, value) }
    }

    /// Writes a member unless it is absent.
    pub(crate) fn present<T: Member + Serialize>(&mut self, key: &str, value: &T) -> Result<(), M::Error> {
        if value.is_absent() { Ok(()) } else { self.always(key, value) }
    }

    pub(crate) fn end(mut self) -> Result<M::Ok, M::Error> {
        for (key, value) in self.extra {
            self.map.serialize_entry(key, value)?;
        }
        self.map.end()
    }
}

impl Member for String {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(Wrong::expected("a text")),
        }
    }
}

impl Member for bool {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(Wrong::expected("true or false")),
        }
    }
}

impl Member for u64 {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let whole = match value {
            Value::Number(number) => number.as_u64().or_else(|| {
                let float = number.as_f64()?;
                // Above 2^53 a float no longer says which whole number was meant.
                (0.0..=9_007_199_254_740_992.0).contains(&float).then_some(float as Self)
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        whole.ok_or(Wrong::expected("a whole number"))
    }
}

impl Member for Value {
    fn read(value: &Value) -> Result<Self, Wrong> {
        Ok(value.clone())
    }
}

impl<T: Member> Member for Option<T> {
    fn absent() -> Option<Self> {
        Some(None)
    }

    fn read(value: &Value) -> Result<Self, Wrong> {
        T::read(value).map(Some)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Member> Member for Box<T> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        T::read(value).map(Self::new)
    }
}

/// Declares an object of Tropo's by its members and their names on the wire, with everything unknown kept in `extra`.
///
/// It is read strictly through [`Member`] or, where all its members are optional, with [`tolerant`]; absent members
/// are left out in writing; `Debug` shows the type alone, because most of its members quote a person.
macro_rules! members {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty = $wire:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Members that are not known here, kept as they came.
            pub extra: $crate::shape::Extra,
        }

        impl $crate::member::Members for $name {
            fn gather(object: &$crate::shape::Extra) -> (Option<Self>, Option<$crate::member::Wrong>) {
                let mut fields = $crate::member::Fields::of(object);
                $(let $field = fields.take::<$type>($wire);)*
                let (extra, wrong) = fields.finish();
                let whole = (|| Some(Self { $($field: $field?,)* extra }))();
                (whole, wrong)
            }
        }

        impl $crate::member::Member for $name {
            fn read(value: &serde_json::Value) -> Result<Self, $crate::member::Wrong> {
                $crate::member::strict(value)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = $crate::member::Writer::new(serializer.serialize_map(None)?, &self.extra);
                $(map.present($wire, &self.$field)?;)*
                map.end()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use members;

/// Declares a list of words that Tropo lengthened with the years: the known ones, in any case, and every other.
macro_rules! open_words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// Any other word, as it was written.
            Other(String),
        }

        impl $name {
            /// The word, as Tropo writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        /// Reads the word in any case.
        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($word) {
                    return Self::$variant;
                })*
                Self::Other(word.to_owned())
            }
        }

        impl $crate::member::Member for $name {
            fn read(value: &serde_json::Value) -> Result<Self, $crate::member::Wrong> {
                <String as $crate::member::Member>::read(value).map(|word| Self::from(word.as_str()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use open_words;
