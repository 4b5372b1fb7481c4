//! Words of others as they may be shown: without numbers, and of Tropo's log without secrets.

use url::Url;

/// Digits as many as this may be somebody's number.
const NUMBER_DIGITS_MIN: usize = 6;

/// How much of a path leads to a backend: `/tropo/NAME`. What follows may be its secret.
const PATH_SHOWN: usize = 2;

/// The members of what goes back and forth that have secrets: what a session is created with, what comes back with it, and
/// where a result goes, which begins with the secret of the backend where it is relative.
const SECRETS: [&str; 3] = ["\"token\"", "\"ticket\"", "\"next\""];

/// Words in which everything that may be a number is masked.
pub(crate) fn numbers(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut run = String::new();
    for c in words.chars().map(Some).chain([None]) {
        // Numbers are written with blanks, dots, dashes and brackets as well.
        let goes_on = c.is_some_and(|c| c.is_ascii_digit() || (!run.is_empty() && " .-()/".contains(c)));
        if let (true, Some(c)) = (goes_on, c) {
            run.push(c);
            continue;
        }
        let digits = run.chars().filter(char::is_ascii_digit).count();
        shown.push_str(if digits < NUMBER_DIGITS_MIN { &run } else { "•••" });
        run.clear();
        shown.extend(c);
    }
    shown
}

/// A line without secrets: no token and no ticket in it, and of each address no user, no query, and of the path no more
/// than leads to a backend.
pub(crate) fn without_secrets(line: &str) -> String {
    addresses_shown(&members_shown(line))
}

/// A line in which the members of JSON that have secrets have no values.
fn members_shown(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(end) = SECRETS.iter().filter_map(|name| rest.find(name).map(|at| at + name.len())).min() {
        let (before, after) = rest.split_at(end);
        shown.push_str(before);
        let value = after.trim_start().strip_prefix(':').and_then(|value| value.trim_start().strip_prefix('"'));
        rest = match value {
            Some(value) => {
                shown.push_str(":\"…\"");
                after_string(value)
            }
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

/// What follows a string of JSON, of which the first quote is read.
fn after_string(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.find(|c: char| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.and_then(|end| text.get(end + 1..)).unwrap_or_default()
}

fn addresses_shown(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = ["http://", "https://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, from) = rest.split_at(start);
        let (address, after) = from.split_at(address_end(from));
        shown.push_str(before);
        shown.push_str(&address_shown(address));
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Where an address ends that a text begins with.
fn address_end(text: &str) -> usize {
    let host = text.find("://").map_or(0, |scheme| scheme + "://".len());
    // Brackets end an address, but for those around a host.
    let rest = text.get(host..).unwrap_or_default();
    let begin =
        if rest.starts_with('[') { host + rest.find(']').map_or(rest.len(), |bracket| bracket + 1) } else { host };
    let ends = |c: char| c.is_whitespace() || "\"'<>[],{}\\".contains(c);
    text.get(begin..).and_then(|rest| rest.find(ends)).map_or(text.len(), |end| begin + end)
}

fn address_shown(written: &str) -> String {
    let Ok(url) = written.parse::<Url>() else { return "…".to_owned() };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let mut segments = url.path_segments().into_iter().flatten();
    let path: Vec<&str> = segments.by_ref().take(PATH_SHOWN).collect();
    let has_more = segments.next().is_some() || url.query().is_some() || !url.username().is_empty();
    format!("{}://{host}{port}/{}{}", url.scheme(), path.join("/"), if has_more { "/…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_however_they_are_written() {
        for (words, expected) in [
            ("status 503 after 30s", "status 503 after 30s"),
            ("cannot reach +1 (555) 555-0177", "cannot reach +•••"),
            ("sip:15555550177@example.net", "sip:•••@example.net"),
            ("", ""),
        ] {
            assert_eq!(numbers(words), expected);
        }
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_its_secret() {
        for (line, expected) in [
            ("[url=http://127.0.0.1:8080/tropo/a/s3cret, code=403]", "[url=http://127.0.0.1:8080/tropo/a/…, code=403]"),
            ("https://u:s3cret@sms.example.net/tropo/a", "https://sms.example.net/tropo/a/…"),
            ("http://h/tropo/a?secret=s3cret&x=1 and http://h/", "http://h/tropo/a/… and http://h/"),
            ("[http://[::1]:8080/tropo/a/s3cret]", "[http://[::1]:8080/tropo/a/…]"),
            ("http://[::1", "…"),
            (r#"{"token":"s3cret","action":"create"}"#, r#"{"token":"…","action":"create"}"#),
            (r#"{"ticket" : "s3cret\"s3cret", "a": "token"}"#, r#"{"ticket":"…", "a": "token"}"#),
            (r#"{"on":{"next":"s3cret?receipt=s3cret"}}"#, r#"{"on":{"next":"…"}}"#),
            (r#"{"token":"s3cret"#, r#"{"token":"…""#),
            (r#"{"token":7}"#, r#"{"token":7}"#),
            ("nothing", "nothing"),
        ] {
            let shown = without_secrets(line);
            assert!(!shown.contains("s3cret"), "{shown}");
            assert_eq!(shown, expected);
        }
    }
}
