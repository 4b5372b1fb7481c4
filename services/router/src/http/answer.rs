//! What an application behind HTTP answers, and what that means.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{Address, MessageText, Timestamp};
use serde::Deserialize;
use serde_json::error::Category;
use url::{Host, Url};

use crate::application::{Reply, Said};
use crate::participant::Unanswered;

/// The longest answer, in bytes.
pub(super) const BYTES_MAX: usize = 256 * 1024;

/// The most replies to one text.
const REPLIES_MAX: usize = 16;

/// The most notes, and how long their names and values are, in bytes.
const NOTES_MAX: usize = 16;
const NOTE_NAME_MAX: usize = 64;
const NOTE_MAX: usize = 1024;

/// How much is kept of the reason, in characters.
const BECAUSE_MAX: usize = 200;

/// The longest wait that an application can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// An answer as it came.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'a str>,
    pub(super) location: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// An answer as JSON. What it holds beyond this is for later versions.
#[derive(Deserialize)]
struct Written {
    take: Option<bool>,
    #[serde(default)]
    replies: Vec<WrittenReply>,
    words: Option<MessageText>,
    #[serde(default)]
    notes: BTreeMap<String, String>,
    because: Option<String>,
}

#[derive(Deserialize)]
struct WrittenReply {
    text: MessageText,
    to: Option<Address>,
}

/// What an answer to a question that was sent to `url` means.
///
/// # Errors
/// [`Unanswered`]: away where asking again may help, failed where it does not. Neither quotes the answer.
pub(super) fn judge(url: &Url, answer: Answer<'_>, now: Timestamp) -> Result<Said, Unanswered> {
    let Answer { status, retry_after, location, body } = answer;
    match status {
        200..=299 if body.trim_ascii().is_empty() => Ok(Said::pass()),
        200..=299 => said(body).map_err(|because| Unanswered::Failed { because }),
        300..=399 => {
            let target = location.map_or("nowhere", |location| target(url, location));
            Err(Unanswered::Failed {
                because: format!(
                    "it answered {status}, a redirect to {target}; none is followed: set url to the address itself"
                ),
            })
        }
        408 | 425 | 429 | 500..=599 => {
            let retry_after = retry_after.and_then(|header| protocol::retry_after(header, now, RETRY_AFTER_MAX));
            Err(Unanswered::Away { because: format!("it answered {status}"), retry_after })
        }
        _ => Err(Unanswered::Failed { because: format!("it answered {status}") }),
    }
}

/// Where a redirect leads, in words that give nothing away.
fn target(from: &Url, location: &str) -> &'static str {
    let Ok(to) = from.join(location) else { return "what is no address" };
    match (to.scheme(), to.host()) {
        _ if to.origin() == from.origin() => "another path of the same host",
        ("http" | "https", Some(host)) if from.host().is_some_and(|own| own == host) => {
            "the same host under another scheme or port"
        }
        ("http" | "https", Some(Host::Ipv4(_) | Host::Ipv6(_))) => "an IP address",
        ("http" | "https", Some(Host::Domain(_))) => "another host",
        _ => "another scheme",
    }
}

/// What the JSON of an answer says.
fn said(body: &[u8]) -> Result<Said, String> {
    let written: Written = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let Written { take, replies, words, notes, because } = written;
    let takes = take.unwrap_or(!replies.is_empty());
    if !takes && !replies.is_empty() {
        return Err("its answer has replies, and does not take the text: leave take out, or set it to true".to_owned());
    }
    if REPLIES_MAX < replies.len() {
        return Err(format!("its answer has more than {REPLIES_MAX} replies"));
    }
    if replies.iter().any(|reply| reply.text.as_str().trim().is_empty()) {
        return Err("its answer has a reply without words".to_owned());
    }
    if replies.iter().any(|reply| reply.to.as_ref().is_some_and(|to| !to.is_reachable())) {
        return Err("its answer has a reply to a withheld number".to_owned());
    }
    let is_long = |(name, note): (&String, &String)| NOTE_NAME_MAX < name.len() || NOTE_MAX < note.len();
    if NOTES_MAX < notes.len() || notes.iter().any(is_long) {
        return Err(format!("its answer has more than {NOTES_MAX} notes, or one that is too long"));
    }
    let replies = replies.into_iter().map(|WrittenReply { text, to }| Reply { to, text }).collect();
    Ok(Said { takes, replies, words, notes, because: because.map(|because| printable(&because)), ..Said::pass() })
}

/// What is wrong, and where: the parser's own words could quote a text.
fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Io | Category::Syntax => "not JSON",
        Category::Eof => "JSON that ends early",
        Category::Data => "JSON with a member of the wrong type or length, or not an object",
    };
    format!("its answer is {what}, at line {}, column {}", error.line(), error.column())
}

/// Fit for a page and a log: one line, and short.
fn printable(words: &str) -> String {
    let words = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    words.take(BECAUSE_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(status: u16, body: &[u8]) -> Result<Said, Unanswered> {
        let answer = Answer { status, retry_after: None, location: None, body };
        judge(&"https://app.example.com/sms".parse().unwrap(), answer, "2026-03-01T09:30:15Z".parse().unwrap())
    }

    fn words(words: &str) -> MessageText {
        words.parse().unwrap()
    }

    #[track_caller]
    fn check(body: &Value, expected: Said) {
        assert_eq!(judged(200, body.to_string().as_bytes()), Ok(expected), "{body}");
    }

    #[test]
    fn nothing_said_passes() {
        for (status, body) in [(204, ""), (200, ""), (202, " \r\n"), (200, "{}"), (200, r#"{"take": false}"#)] {
            assert_eq!(judged(status, body.as_bytes()), Ok(Said::pass()), "{status} {body}");
        }
        check(&json!({ "later": { "than": "this" }, "replies": [] }), Said::pass());
    }

    #[test]
    fn replies_take_the_text() {
        check(&json!({ "replies": [{ "text": "hi" }] }), Said::reply(words("hi")));
        let to = Some("+15555550123".parse().unwrap());
        let replies = vec![Reply { to, text: words("psst") }, Reply::to_sender(words("told"))];
        let said = Said { replies, ..Said::take() };
        check(&json!({ "replies": [{ "text": "psst", "to": "+1 555 555 0123" }, { "text": "told", "x": 1 }] }), said);
        check(&json!({ "take": true }), Said::take());
    }

    #[test]
    fn words_notes_and_the_reason_come_along() {
        let said = Said {
            words: Some(words("join")),
            notes: BTreeMap::from([("language".to_owned(), "sw".to_owned())]),
            ..Said::pass().because("a line")
        };
        check(&json!({ "words": "join", "notes": { "language": "sw" }, "because": "a\nline" }), said);
        let long = judged(200, json!({ "because": "é".repeat(999) }).to_string().as_bytes()).unwrap();
        assert_eq!(long.because.unwrap().chars().count(), BECAUSE_MAX);
    }

    #[track_caller]
    fn check_failed(status: u16, body: &str, told: &str) {
        match judged(status, body.as_bytes()) {
            Err(Unanswered::Failed { because }) => assert!(because.contains(told), "{because}"),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn nonsense_is_refused_and_not_quoted() {
        let secretive = [
            (r"private words", "not JSON, at line 1, column 1"),
            (r#""private words""#, "not an object"),
            (r#"{"replies": "private words"}"#, "wrong type"),
            (r#"{"replies": [{"text": 7}]}"#, "wrong type"),
            (r#"{"replies": [{"to": "+15555550123"}]}"#, "wrong type"),
            (r#"{"replies": [{"text": "#, "ends early"),
            (r#"{"replies": [{"text": " "}]}"#, "without words"),
            (r#"{"replies": [{"text": "private words", "to": "unknown"}]}"#, "withheld"),
            (r#"{"take": false, "replies": [{"text": "private words"}]}"#, "does not take"),
        ];
        for (body, told) in secretive {
            check_failed(200, body, told);
            let Err(unanswered) = judged(200, body.as_bytes()) else { panic!("{body}") };
            assert!(!format!("{unanswered} {unanswered:?}").contains("private"), "{unanswered}");
        }
        let many = json!({ "replies": vec![json!({ "text": "x" }); REPLIES_MAX + 1] }).to_string();
        check_failed(200, &many, "more than 16 replies");
        let long = json!({ "replies": [{ "text": "x".repeat(MessageText::BYTES_MAX + 1) }] }).to_string();
        check_failed(200, &long, "wrong type or length");
        let notes: BTreeMap<String, &str> = (0..=NOTES_MAX).map(|note| (note.to_string(), "")).collect();
        check_failed(200, &json!({ "notes": notes }).to_string(), "more than 16 notes");
        check_failed(200, &json!({ "notes": { "a": "x".repeat(NOTE_MAX + 1) } }).to_string(), "too long");
    }

    #[test]
    fn who_is_busy_or_broken_is_away_and_who_says_no_has_failed() {
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            let because = format!("it answered {status}");
            assert_eq!(judged(status, b"{}"), Err(Unanswered::Away { because, retry_after: None }));
        }
        for status in [400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 600] {
            check_failed(status, "{}", &format!("it answered {status}"));
        }
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept_to_but_never_too_long() {
        let waits = |status, header| {
            let answer = Answer { status, retry_after: Some(header), location: None, body: b"" };
            let now = "2026-03-01T09:30:15Z".parse().unwrap();
            match judge(&"https://app.example.com/".parse().unwrap(), answer, now) {
                Err(Unanswered::Away { retry_after, .. }) => retry_after,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(waits(429, "7"), Some(Duration::from_secs(7)));
        assert_eq!(waits(503, "Sun, 01 Mar 2026 09:31:15 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(waits(503, "86400"), Some(RETRY_AFTER_MAX));
        assert_eq!(waits(503, "soon"), None);
    }

    #[test]
    fn where_a_redirect_leads_is_told_in_words_alone() {
        for (location, told) in [
            (None, "nowhere"),
            (Some("/secret"), "another path of the same host"),
            (Some("http://app.example.com/secret"), "the same host under another scheme or port"),
            (Some("http://169.254.169.254/secret"), "an IP address"),
            (Some("https://[::1]/secret"), "an IP address"),
            (Some("https://evil.example.net/secret"), "another host"),
            (Some("file:///secret"), "another scheme"),
            (Some("http://"), "no address"),
        ] {
            let answer = Answer { status: 307, retry_after: None, location, body: b"" };
            let url = "https://app.example.com/sms".parse().unwrap();
            let Err(Unanswered::Failed { because }) = judge(&url, answer, Timestamp::UNIX_EPOCH) else { panic!() };
            assert!(because.contains(told) && !because.contains("secret"), "{because}");
        }
    }
}
