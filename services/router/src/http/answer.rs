//! What an application behind HTTP answers, and what that means.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{Address, MessageText, Network, Phase, Timestamp};
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

/// An answer as it came, but for its body.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'a str>,
    pub(super) location: Option<&'a str>,
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

/// Whether an answer to a question that was sent to `url` has something to say: then its body does.
///
/// # Errors
/// [`Unanswered`]: away where asking again may help, failed where it does not. Neither quotes the answer.
pub(super) fn judge(url: &Url, head: Head<'_>, now: Timestamp) -> Result<(), Unanswered> {
    let Head { status, retry_after, location } = head;
    match status {
        200..=299 => Ok(()),
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

/// What the body of an answer says to a text of that network, in a phase.
///
/// # Errors
/// Why it is nonsense, without a word of it.
pub(super) fn said(phase: Phase, network: &Network, body: &[u8]) -> Result<Said, String> {
    if body.trim_ascii().is_empty() {
        return Ok(Said::pass());
    }
    let written: Written = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let Written { take, replies, words, notes, because } = written;
    let takes = take.unwrap_or(!replies.is_empty());
    if !takes && !replies.is_empty() {
        return Err("its answer has replies, and does not take the text: leave take out, or set it to true".to_owned());
    }
    let (may_take, may_change) = match phase {
        Phase::Filter | Phase::Handle | Phase::Default => (true, false),
        Phase::Parse => (false, true),
        Phase::Cleanup | Phase::Outgoing => (false, false),
    };
    if takes && !may_take {
        let phase = phase.as_str();
        return Err(format!("its answer takes the text in phase {phase}: do that in filter, handle or default"));
    }
    if (words.is_some() || !notes.is_empty()) && !may_change {
        let phase = phase.as_str();
        return Err(format!("its answer has words or notes in phase {phase}: they count in phase parse alone"));
    }
    if REPLIES_MAX < replies.len() {
        return Err(format!("its answer has more than {REPLIES_MAX} replies"));
    }
    if replies.iter().any(|reply| reply.text.as_str().trim().is_empty()) {
        return Err("its answer has a reply without words".to_owned());
    }
    let is_long = |(name, note): (&String, &String)| NOTE_NAME_MAX < name.len() || NOTE_MAX < note.len();
    if NOTES_MAX < notes.len() || notes.iter().any(is_long) {
        return Err(format!("its answer has more than {NOTES_MAX} notes, or one that is too long"));
    }
    let asked_for = replies.len();
    let is_for_somebody = |reply: &WrittenReply| reply.to.as_ref().is_none_or(|to| to.is_reachable_on(network));
    let replies: Vec<Reply> = replies
        .into_iter()
        .filter(is_for_somebody)
        .map(|WrittenReply { text, to }| Reply { to, text, expires_at: None })
        .collect();
    let because = because.map(|because| printable(&because));
    let because = match asked_for - replies.len() {
        0 => because,
        left_out => Some(unreachable(left_out) + &because.map(|because| format!("; {because}")).unwrap_or_default()),
    };
    Ok(Said { takes, replies, words, notes, because, ..Said::pass() })
}

/// That so many replies are left out, and why.
fn unreachable(replies: usize) -> String {
    format!("{replies} of its replies left out, for nobody can be texted there: write to as in +1-555-555-0100")
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

    fn judged(head: Head<'_>) -> Result<(), Unanswered> {
        judge(&"https://app.example.com/sms".parse().unwrap(), head, "2026-03-01T09:30:15Z".parse().unwrap())
    }

    fn head(status: u16) -> Head<'static> {
        Head { status, retry_after: None, location: None }
    }

    fn words(words: &str) -> MessageText {
        words.parse().unwrap()
    }

    #[track_caller]
    fn check(phase: Phase, body: &Value, expected: Said) {
        assert_eq!(said(phase, &Network::sms(), body.to_string().as_bytes()), Ok(expected), "{body}");
    }

    #[test]
    fn nothing_said_passes() {
        for status in [200, 202, 204, 299] {
            assert_eq!(judged(head(status)), Ok(()), "{status}");
        }
        for phase in [Phase::Filter, Phase::Parse, Phase::Handle, Phase::Default] {
            for body in ["", " \r\n", "{}", r#"{"take": false, "notes": {}}"#] {
                assert_eq!(said(phase, &Network::sms(), body.as_bytes()), Ok(Said::pass()), "{phase:?} {body}");
            }
        }
        check(Phase::Handle, &json!({ "later": { "than": "this" }, "replies": [] }), Said::pass());
    }

    #[test]
    fn replies_take_the_text() {
        for phase in [Phase::Filter, Phase::Handle, Phase::Default] {
            check(phase, &json!({ "replies": [{ "text": "hi" }] }), Said::reply(words("hi")));
            check(phase, &json!({ "take": true }), Said::take());
        }
        let to = Some("+15555550123".parse().unwrap());
        let replies = vec![Reply { to, text: words("psst"), expires_at: None }, Reply::to_sender(words("told"))];
        let body = json!({ "replies": [{ "text": "psst", "to": "+1 555 555 0123" }, { "text": "told", "x": 1 }] });
        check(Phase::Handle, &body, Said { replies, ..Said::take() });
    }

    #[test]
    fn who_cannot_be_texted_is_left_out_and_the_record_says_so() {
        let answer = |to: &str, network: &str| {
            let body = json!({ "replies": [{ "text": "told", "to": to }, { "text": "hi" }], "because": "a rule" });
            said(Phase::Handle, &network.parse().unwrap(), body.to_string().as_bytes()).unwrap()
        };
        let hi = Reply::to_sender(words("hi"));
        for (to, network) in [("0712345\u{2013}678", "SMS"), ("bob", "SMS"), ("bob", "MMS"), ("unknown", "JABBER")] {
            let Said { takes, replies, because, .. } = answer(to, network);
            assert_eq!((takes, replies), (true, vec![hi.clone()]), "{to}");
            let because = because.unwrap();
            assert!(because.starts_with("1 of its replies") && because.ends_with("; a rule"), "{because}");
            assert!(!because.contains(to), "{because}");
        }
        for (to, network) in [("+15555550123", "SMS"), ("12345", "SMS"), ("bob@example.net", "JABBER")] {
            let Said { replies, because, .. } = answer(to, network);
            assert_eq!((replies.len(), because.as_deref()), (2, Some("a rule")), "{to}");
        }
    }

    #[test]
    fn words_notes_and_the_reason_come_along() {
        let said = Said {
            words: Some(words("join")),
            notes: BTreeMap::from([("language".to_owned(), "sw".to_owned())]),
            ..Said::pass().because("a line")
        };
        let body = json!({ "words": "join", "notes": { "language": "sw" }, "because": "a\nline" });
        check(Phase::Parse, &body, said);
        let long = json!({ "because": "é".repeat(999) });
        check(Phase::Parse, &long, Said::pass().because("é".repeat(BECAUSE_MAX)));
    }

    #[track_caller]
    fn check_nonsense(phase: Phase, body: &str, told: &str) {
        let because = said(phase, &Network::sms(), body.as_bytes()).unwrap_err();
        assert!(because.contains(told) && !because.contains("private"), "{because}");
    }

    #[test]
    fn what_a_phase_is_not_for_is_nonsense_and_not_dropped_in_silence() {
        for body in [r#"{"replies": [{"text": "private words"}]}"#, r#"{"take": true}"#] {
            check_nonsense(Phase::Parse, body, "takes the text in phase parse: do that in filter, handle or default");
        }
        for phase in [Phase::Filter, Phase::Handle, Phase::Default] {
            let told = format!("words or notes in phase {}", phase.as_str());
            check_nonsense(phase, r#"{"words": "private words"}"#, &told);
            check_nonsense(phase, r#"{"take": true, "notes": {"name": "private"}}"#, &told);
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
            (r#"{"take": false, "replies": [{"text": "private words"}]}"#, "does not take"),
        ];
        for (body, told) in secretive {
            check_nonsense(Phase::Handle, body, told);
        }
        let many = json!({ "replies": vec![json!({ "text": "x" }); REPLIES_MAX + 1] }).to_string();
        check_nonsense(Phase::Handle, &many, "more than 16 replies");
        let long = json!({ "replies": [{ "text": "x".repeat(MessageText::BYTES_MAX + 1) }] }).to_string();
        check_nonsense(Phase::Handle, &long, "wrong type or length");
        let notes: BTreeMap<String, &str> = (0..=NOTES_MAX).map(|note| (note.to_string(), "")).collect();
        check_nonsense(Phase::Parse, &json!({ "notes": notes }).to_string(), "more than 16 notes");
        let note = json!({ "notes": { "a": "x".repeat(NOTE_MAX + 1) } }).to_string();
        check_nonsense(Phase::Parse, &note, "too long");
    }

    #[test]
    fn who_is_busy_or_broken_is_away_and_who_says_no_has_failed() {
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            let because = format!("it answered {status}");
            assert_eq!(judged(head(status)), Err(Unanswered::Away { because, retry_after: None }));
        }
        for status in [400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 600] {
            let because = format!("it answered {status}");
            assert_eq!(judged(head(status)), Err(Unanswered::Failed { because }));
        }
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept_to_but_never_too_long() {
        let waits = |status, header| match judged(Head { retry_after: Some(header), ..head(status) }) {
            Err(Unanswered::Away { retry_after, .. }) => retry_after,
            other => panic!("{other:?}"),
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
            let Err(Unanswered::Failed { because }) = judged(Head { location, ..head(307) }) else { panic!() };
            assert!(because.contains(told) && !because.contains("secret"), "{because}");
        }
    }
}
