//! What is printed about letters.

use std::fmt::Write;

use messaging::dead::{Letter, Outcome, Place, Summary};
use protocol::Timestamp;
use serde_json::Value;

use super::work::{Action, Order};
use crate::output::printable;

/// The database of the console is away.
pub(super) const NOT_ON_RECORD: &str =
    "the console's database is away: the work goes on, and who does it stands in the log of the console alone";

/// The head of the table.
pub(super) fn header(order: &Order) -> String {
    let what = match order.action {
        Action::Look => "",
        Action::Rehearse | Action::Replay { .. } | Action::Drop => "  OUTCOME",
    };
    row(["TIME", "KIND", "BACKEND", "REASON", "ATTEMPTS", "ID"], &format!("ERROR{what}"))
}

/// A letter as a line of the table.
pub(super) fn line(letter: &Letter, outcome: &Outcome) -> String {
    let time = letter.time.map(seconds).unwrap_or_default();
    let attempts = letter.attempts.map(|attempts| attempts.to_string()).unwrap_or_default();
    let error = letter.error.as_deref().and_then(|error| error.lines().next()).unwrap_or_default();
    let outcome = match outcome {
        Outcome::Kept => "",
        Outcome::Replayable => "  -> can be replayed",
        Outcome::Replayed => "  -> replayed",
        Outcome::Dropped => "  -> dropped",
        Outcome::NotReplayable(reason) => &format!("  -> kept: {reason}"),
    };
    row(
        [&time, text(&letter.kind), text(&letter.backend), text(&letter.reason), &attempts, text(&letter.id)],
        &format!("{error}{outcome}"),
    )
}

fn row([time, kind, backend, reason, attempts, id]: [&str; 6], rest: &str) -> String {
    let [time, kind, backend, reason, attempts, id] = [time, kind, backend, reason, attempts, id].map(shown);
    let row =
        format!("{time:<20}  {kind:<17}  {backend:<16}  {reason:<18}  {attempts:>8}  {id:<36}  {}", printable(rest));
    row.trim_end().to_owned() + "\n"
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// A place in the table is never empty, so that columns can be told apart.
fn shown(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { printable(text) }
}

fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// A letter as one line of JSON.
pub(super) fn json(letter: &Letter, outcome: &Outcome) -> String {
    // Nothing in a letter or an outcome can fail to be written.
    let mut object = serde_json::to_value(letter).unwrap_or_default();
    let (outcome, reason) = match outcome {
        Outcome::Kept => ("kept", None),
        Outcome::Replayable => ("replayable", None),
        Outcome::Replayed => ("replayed", None),
        Outcome::Dropped => ("dropped", None),
        Outcome::NotReplayable(reason) => ("not_replayable", Some(reason)),
    };
    if let Value::Object(members) = &mut object {
        members.insert("outcome".to_owned(), outcome.into());
        members.extend(reason.map(|reason| ("outcome_reason".to_owned(), reason.as_str().into())));
    }
    format!("{object}\n")
}

/// Everything about a letter.
pub(super) fn whole(letter: &Letter) -> String {
    let mut told = String::new();
    let fields = [
        ("id", letter.id.clone()),
        ("kind", letter.kind.clone()),
        ("backend", letter.backend.clone()),
        ("came from", letter.queue.clone()),
        ("routing key", Some(letter.routing_key.clone())),
        ("reason", letter.reason.clone()),
        ("attempts", letter.attempts.map(|attempts| attempts.to_string())),
        ("died", letter.time.map(|time| time.to_string())),
        ("published", letter.published.map(|time| time.to_string())),
        ("published by", letter.application.clone()),
        ("session", letter.session.clone()),
    ];
    // Writing to a string cannot fail.
    for (name, value) in fields {
        let _ = writeln!(told, "{name:<13} {}", shown(&value.unwrap_or_default()));
    }
    let causes = text(&letter.error).split(": ").filter(|cause| !cause.is_empty());
    for (index, cause) in causes.enumerate() {
        let _ = writeln!(told, "{:<13} {}", if index == 0 { "error" } else { "  because" }, printable(cause));
    }
    let _ = writeln!(told, "headers");
    for (name, value) in &letter.headers {
        let _ = writeln!(told, "  {}: {}", printable(name), printable(value));
    }
    let _ = writeln!(told, "payload       {} bytes", letter.body_bytes);
    if let Some(payload) = &letter.payload {
        // JSON escapes what a terminal would obey.
        let _ = writeln!(told, "{payload:#}");
    }
    told + "\n"
}

/// What was seen, where nothing was to be changed.
pub(super) fn looked(order: &Order, summary: &Summary) -> String {
    let Summary { seen, matched, elsewhere, .. } = summary;
    let told = match seen {
        0 if 0 < *elsewhere => String::new(),
        0 => format!("there are no {}s", what(order.place)),
        _ if order.filter.is_empty() => count(order.place, *matched),
        _ => format!("{matched} of {} fit", count(order.place, *seen)),
    };
    told + &unseen(summary)
}

/// What was done.
pub(super) fn done(order: &Order, summary: &Summary) -> String {
    let Summary { seen, replayed, dropped, failed, kept, .. } = summary;
    if *seen == 0 {
        return looked(order, summary);
    }
    let told = match order.action {
        Action::Look => String::new(),
        Action::Rehearse => format!(": {replayed} can be replayed, {failed} cannot, all are kept"),
        Action::Replay { .. } => format!(": {replayed} replayed, {kept} kept"),
        Action::Drop => format!(": {dropped} dropped, {kept} kept"),
    };
    format!("{} seen{told}{}", count(order.place, *seen), unseen(summary))
}

/// What was done, where the end of the work was not heard.
pub(super) fn until_then(order: &Order, changed: u64) -> String {
    let done = match order.action {
        Action::Look | Action::Rehearse => "looked at",
        Action::Replay { .. } => "replayed",
        Action::Drop => "dropped",
    };
    format!("{} {done} until then, or some more: the log of the console has it", count(order.place, changed))
}

/// What would be dropped.
pub(super) fn would_drop(order: &Order, summary: &Summary) -> String {
    if summary.matched == 0 {
        return looked(order, summary);
    }
    let Summary { seen, matched, .. } = summary;
    format!("{} seen: {matched} would be dropped, all are kept{}", count(order.place, *seen), unseen(summary))
}

fn count(place: Place, count: u64) -> String {
    format!("{count} {}{}", what(place), if count == 1 { "" } else { "s" })
}

fn what(place: Place) -> &'static str {
    match place {
        Place::Dead => "dead letter",
        Place::Unrouted => "unrouted message",
    }
}

/// What could not be looked at, and what to do about it.
fn unseen(summary: &Summary) -> String {
    let mut told = String::new();
    if 0 < summary.elsewhere {
        let _ = write!(
            told,
            "\n{} more are in somebody else's hand, another `tropomq dead` perhaps: run it again",
            summary.elsewhere
        );
    }
    if summary.more {
        let _ = write!(
            told,
            "\nthere are more behind the {} that are kept, which is as many as can be held at a time: replay or drop \
             some of these first",
            summary.kept
        );
    }
    told.trim_start_matches(if summary.seen == 0 { "\n" } else { "" }).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn letter() -> Letter {
        let text = |text: &str| Some(text.to_owned());
        Letter {
            time: Some("2026-08-01T10:00:00.123Z".parse().unwrap()),
            id: text("one"),
            kind: text("message.send"),
            backend: text("a"),
            queue: text("egress.message.send.a"),
            routing_key: "message.send.a".to_owned(),
            reason: text("failed"),
            attempts: Some(3),
            session: None,
            error: text("sent nothing: token\u{1b}[2J is unknown: really\nand more"),
            application: text("router"),
            published: None,
            body_bytes: 2,
            headers: BTreeMap::from([("tropomq-reason".to_owned(), "failed".to_owned())]),
            payload: Some(json!({ "data": "***" })),
        }
    }

    #[test]
    fn a_line_is_one_line_that_a_terminal_shows_as_it_is() {
        let line = line(&letter(), &Outcome::NotReplayable("its queue is gone".to_owned()));
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..6], ["2026-08-01T10:00:00Z", "message.send", "a", "failed", "3", "one"]);
        assert!(line.ends_with("-> kept: its queue is gone\n"), "{line}");
        assert!(!line.trim_end().contains(char::is_control), "{line:?}");
        assert!(!line.contains("and more"));
    }

    #[test]
    fn everything_is_shown_with_the_causes_line_by_line() {
        let whole = whole(&letter());
        for words in [
            "came from     egress.message.send.a\n",
            "session       -\n",
            "error         sent nothing\n  because     token\u{fffd}[2J is unknown\n  because     really",
            "  tropomq-reason: failed\n",
            "\"data\": \"***\"",
        ] {
            assert!(whole.contains(words), "{words:?} is not in: {whole}");
        }
    }

    #[test]
    fn json_is_one_line_with_the_outcome() {
        let written = json(&letter(), &Outcome::NotReplayable("gone".to_owned()));
        assert_eq!(written.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!((&read["id"], &read["outcome"]), (&json!("one"), &json!("not_replayable")));
        assert_eq!((&read["outcome_reason"], &read["attempts"]), (&json!("gone"), &json!(3)));
    }
}
