//! An event as one line, for people.

use console::ShownEvent;
use serde_json::Value;

use crate::output::printable;
use crate::table::{Ink, Tone};

/// What of an event's data is told, in this order.
const TOLD: [&str; 10] =
    ["from", "to", "text", "application", "handler", "outcome", "status", "reason", "detail", "attempt"];

/// When it happened, what it is, where, and what it says.
pub(super) fn of(event: &ShownEvent, ink: Ink) -> String {
    let ShownEvent { kind, at, backend, correlation_id, subject_id, id, data, .. } = event;
    let kind = ink.paint(tone(kind), &format!("{:<19}", printable(kind)));
    let subject = subject_id.as_ref().unwrap_or(id);
    let said = TOLD.into_iter().filter_map(|name| Some(format!("{name} {}", told(data.get(name)?)?)));
    let said = said.collect::<Vec<_>>().join(", ");
    let session = correlation_id.as_ref().map(|id| format!("  session {id}")).unwrap_or_default();
    let line = format!("{at:.3}  {kind}  {:<16}  {subject}  {said}{session}", backend.as_str());
    format!("{}\n", line.trim_end())
}

fn tone(kind: &str) -> Tone {
    match kind {
        "message.sent" | "message.delivered" => Tone::Good,
        "message.unconfirmed" | "message.expired" | "message.delayed" => Tone::Doubtful,
        "message.failed" | "dead_letter" => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// Words and numbers; what is nested is for programs.
fn told(value: &Value) -> Option<String> {
    match value {
        Value::String(words) => Some(format!("\"{}\"", printable(words))),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_that_a_terminal_shows_as_it_is() {
        let event: ShownEvent = serde_json::from_value(json!({
            "id": "6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7",
            "kind": "message.failed",
            "at": "2026-11-23T09:30:00.1234Z",
            "backend": "story",
            "correlation_id": "s1",
            "session_id": null,
            "subject": "message",
            "subject_id": "7a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7",
            "data": { "to": "•••77", "text": "one\ntwo", "reason": "refused", "attempt": 2, "nested": {} },
        }))
        .unwrap();
        assert_eq!(
            of(&event, Ink::Plain),
            "2026-11-23T09:30:00.123Z  message.failed       story             7a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7  \
             to \"•••77\", text \"one\u{fffd}two\", reason \"refused\", attempt 2  session s1\n"
        );
        assert!(of(&event, Ink::Coloured).contains("\u{1b}[31mmessage.failed"));
    }
}
