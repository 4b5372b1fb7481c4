//! From what serde says about a place in a table to what the user is told.

use toml::Value;

use super::ConfigError;
use super::environment::variable_of;
use super::merged::{Merged, keys};

/// Shorter values are not looked for in a message: they are words of it by chance, and no secrets.
const SECRET_BYTES_MIN: usize = 3;

pub(super) fn explain(merged: &Merged, error: &serde_path_to_error::Error<toml::de::Error>) -> ConfigError {
    let message = error.inner().message().trim();
    let path = keys(error.path());
    let shown = error.path().to_string();
    let key = (shown != ".").then_some(shown);

    if let Some(field) = quoted_after(message, "missing field ") {
        let missing = key.map_or_else(|| field.to_owned(), |key| format!("{key}.{field}"));
        let mut full = path;
        full.push(field.to_owned());
        let problem = if full.join(".") == missing {
            format!("is required and set nowhere: set it in the configuration file, or set {}", variable_of(&full))
        } else {
            "is required and set nowhere: set it in the configuration file".to_owned()
        };
        return ConfigError::new(Some(missing), None, problem);
    }

    let origin = merged.origin(&path);
    let problem = if let Some(field) = quoted_after(message, "unknown field ") {
        match message.split_once(&format!("`{field}`, expected ")) {
            Some((_, known)) => format!("there is no such key; expected {known}"),
            None => "there is no such key, and no other at this place".to_owned(),
        }
    } else {
        without_value(message, merged.value(&path))
    };
    ConfigError::new(key, origin, problem)
}

/// The word in backquotes that follows `start` at the beginning of a message.
fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    let (quoted, _) = message.strip_prefix(start)?.strip_prefix('`')?.split_once('`')?;
    Some(quoted)
}

/// The message without the value that it is about.
fn without_value(message: &str, value: Option<&Value>) -> String {
    let message = message.lines().next().unwrap_or_default();
    for start in ["invalid type: ", "invalid value: ", "unknown variant "] {
        let Some(rest) = message.strip_prefix(start) else { continue };
        // The value stands first, and may hold these words itself.
        let Some((found, expected)) = rest.rsplit_once(", expected ") else { continue };
        // serde names the kind of what it found before the value itself: string "x", integer `5`.
        let kind = found.split(['"', '`']).next().unwrap_or_default().trim();
        let kind = if start.starts_with("unknown") { "one of another name" } else { kind };
        return if kind.is_empty() {
            format!("expected {expected}")
        } else {
            format!("expected {expected}, found {kind}")
        };
    }
    let mut told = message.to_owned();
    hide(&mut told, value);
    told
}

/// Replaces every string of the value.
fn hide(message: &mut String, value: Option<&Value>) {
    match value {
        Some(Value::String(text)) if SECRET_BYTES_MIN <= text.len() => {
            // Some errors quote it as it stands, some as Rust would write it.
            let debugged = format!("{text:?}");
            *message = message.replace(text.as_str(), "…").replace(debugged.trim_matches('"'), "…");
        }
        Some(Value::Array(values)) => values.iter().for_each(|value| hide(message, Some(value))),
        Some(Value::Table(table)) => table.values().for_each(|value| hide(message, Some(value))),
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_appears() {
        let secret = Value::String("s3cr3t, expected x".to_owned());
        for (message, told) in [
            ("invalid type: string \"s3cr3t, expected x\", expected u16", "expected u16, found string"),
            ("invalid value: integer `70000`, expected u16", "expected u16, found integer"),
            ("invalid type: map, expected a string", "expected a string, found map"),
            (
                "unknown variant `s3cr3t, expected x`, expected `a` or `b`",
                "expected `a` or `b`, found one of another name",
            ),
            ("s3cr3t, expected x is no URL", "… is no URL"),
            ("not a URL", "not a URL"),
        ] {
            assert_eq!(without_value(message, Some(&secret)), told);
        }
    }

    #[test]
    fn a_value_never_appears_however_it_is_quoted() {
        let secret = Value::String("http://u:s3\"cr3t@host:99999/".to_owned());
        assert_eq!(without_value(r#"bad port: "http://u:s3\"cr3t@host:99999/""#, Some(&secret)), "bad port: \"…\"");
    }

    #[test]
    fn a_value_within_an_array_or_a_table_never_appears() {
        let value: Value = toml::from_str("rules = [{ token = \"s3cr3t\" }]").map(Value::Table).unwrap();
        assert_eq!(without_value("s3cr3t is no token", Some(&value)), "… is no token");
    }
}
