//! Addresses of pages, with what is asked of them.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded::Serializer;

/// A path with what is given; what is `None` or empty is left out.
pub(crate) fn with(path: &str, asked: &[(&str, Option<&str>)]) -> String {
    let given = asked.iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    let query = Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// What stands as it is in a part of a path: the ids of Tropo's sessions have been of many forms.
const IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@');

/// The page of a text, a message or a session.
pub(crate) fn message(id: impl Display) -> String {
    format!("/messages/{}", utf8_percent_encode(&id.to_string(), &IN_PATH))
}

/// What the page of a text, a message or a session shows, as JSON.
pub(crate) fn explanation(id: impl Display) -> String {
    format!("/v1{}/explanation", message(id))
}

/// The page of what went back and forth with a person.
pub(crate) fn conversation(backend: &str, person: &str) -> String {
    with("/conversation", &[("backend", Some(backend)), ("person", Some(person))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_escaped_and_what_is_not_is_left_out() {
        let asked = [("q", Some("a&b =+\"<")), ("state", None), ("backend", Some(""))];
        assert_eq!(with("/messages", &asked), "/messages?q=a%26b+%3D%2B%22%3C");
        assert_eq!(with("/messages", &[("q", None)]), "/messages");
        assert_eq!(message("a?b/c#d@10.0.0.9-_"), "/messages/a%3Fb%2Fc%23d@10.0.0.9-_");
        assert_eq!(conversation("a", "+1555"), "/conversation?backend=a&person=%2B1555");
    }
}
