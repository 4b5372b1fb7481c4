//! Which letters are meant.

use std::collections::BTreeSet;
use std::fmt;

use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Letter;

/// Which letters are meant: those that fit everything that is set. An empty one means all.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Those with one of these ids.
    pub ids: BTreeSet<String>,
    /// Those of this backend.
    pub backend: Option<String>,
    /// Those that came from this queue.
    pub queue: Option<String>,
    /// Those that are dead for this reason.
    pub reason: Option<String>,
    /// Those of this kind: `message.send`.
    pub kind: Option<String>,
    /// Those of the conversation that this session began.
    pub session: Option<String>,
    /// Those whose chain of causes has these words in it.
    pub error: Option<String>,
    /// Those of this group ([`Letter::group`]).
    pub group: Option<Uuid>,
    /// Those from then on.
    pub since: Option<Timestamp>,
    /// Those from before then.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether every letter fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a letter is meant.
    #[must_use]
    pub fn fits(&self, letter: &Letter) -> bool {
        let Self { ids, backend, queue, reason, kind, session, error, group, since, until } = self;
        let same = |wanted: &Option<String>, actual: &Option<String>| wanted.is_none() || wanted == actual;
        (ids.is_empty() || letter.id.as_ref().is_some_and(|id| ids.contains(id)))
            && same(backend, &letter.backend)
            && same(queue, &letter.queue)
            && same(reason, &letter.reason)
            && same(kind, &letter.kind)
            && same(session, &letter.session)
            && error.as_ref().is_none_or(|words| letter.error.as_ref().is_some_and(|error| error.contains(words)))
            && group.is_none_or(|group| group == letter.group())
            && since.is_none_or(|since| letter.time.is_some_and(|time| since <= time))
            && until.is_none_or(|until| letter.time.is_some_and(|time| time < until))
    }
}

/// As `backend=a reason=failed`, for a log: without the words that are looked for in errors, which may be anything.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ids, backend, queue, reason, kind, session, error, group, since, until } = self;
        let mut parts = Vec::new();
        if !ids.is_empty() {
            parts.push(format!("ids={}", ids.len()));
        }
        for (name, value) in
            [("backend", backend), ("queue", queue), ("reason", reason), ("kind", kind), ("session", session)]
        {
            parts.extend(value.as_ref().map(|value| format!("{name}={value}")));
        }
        parts.extend(error.as_ref().map(|_| "error=…".to_owned()));
        parts.extend(group.map(|group| format!("group={group}")));
        parts.extend(since.map(|since| format!("since={since}")));
        parts.extend(until.map(|until| format!("until={until}")));
        f.write_str(if parts.is_empty() { "all" } else { "" })?;
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn letter() -> Letter {
        let text = |text: &str| Some(text.to_owned());
        Letter {
            time: Some("2026-08-01T10:00:00Z".parse().unwrap()),
            id: text("one"),
            kind: text("message.send"),
            backend: text("a"),
            queue: text("egress.message.send.a"),
            routing_key: "message.send.a".to_owned(),
            reason: text("failed"),
            attempts: Some(3),
            session: text("s"),
            error: text("sent nothing: token is unknown"),
            application: None,
            published: None,
            body_bytes: 2,
            headers: BTreeMap::new(),
            payload: None,
        }
    }

    #[track_caller]
    fn check(written: &str, expected: bool) {
        let filter: Filter = serde_json::from_str(written).unwrap();
        assert_eq!(filter.fits(&letter()), expected, "{written}");
    }

    #[test]
    fn a_letter_is_meant_when_it_fits_everything_that_is_set() {
        check("{}", true);
        check(r#"{"ids":["one","two"]}"#, true);
        check(r#"{"ids":["two"]}"#, false);
        check(r#"{"backend":"a","queue":"egress.message.send.a","reason":"failed"}"#, true);
        check(r#"{"backend":"a","reason":"panicked"}"#, false);
        check(r#"{"kind":"message.send","session":"s"}"#, true);
        check(r#"{"kind":"message.sent"}"#, false);
        check(r#"{"error":"token is"}"#, true);
        check(r#"{"error":"Token"}"#, false);
        let group = letter().group();
        check(&format!(r#"{{"group":"{group}"}}"#), true);
        check(r#"{"group":"0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a55"}"#, false);
        check(r#"{"since":"2026-08-01T10:00:00Z"}"#, true);
        check(r#"{"since":"2026-08-01T10:00:01Z"}"#, false);
        check(r#"{"until":"2026-08-01T10:00:00Z"}"#, false);
        check(r#"{"until":"2026-08-01T10:00:01Z"}"#, true);
    }

    #[test]
    fn what_a_letter_does_not_say_fits_nothing_that_is_set() {
        let bare = Letter { time: None, id: None, backend: None, error: None, ..letter() };
        for written in [
            r#"{"ids":["one"]}"#,
            r#"{"backend":"a"}"#,
            r#"{"error":""}"#,
            r#"{"since":"2026-08-01T10:00:00Z"}"#,
            r#"{"until":"2026-08-01T10:00:00Z"}"#,
        ] {
            assert!(!serde_json::from_str::<Filter>(written).unwrap().fits(&bare), "{written}");
        }
    }

    #[test]
    fn a_log_has_the_filter_without_the_words_looked_for() {
        let filter = Filter {
            ids: BTreeSet::from(["one".to_owned()]),
            backend: Some("a".to_owned()),
            error: Some("+15555550100".to_owned()),
            ..Filter::default()
        };
        assert_eq!(filter.to_string(), "ids=1 backend=a error=…");
        assert_eq!(Filter::default().to_string(), "all");
        assert!(serde_json::from_str::<Filter>(r#"{"bakend":"a"}"#).is_err());
    }
}
